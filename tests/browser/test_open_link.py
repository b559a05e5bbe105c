"""A link reaches the browser once, through an opener that never has it on its command line."""

import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from shellvault import request_head
from shellvault.browser.one_time_link import one_time_link
from shellvault.browser.opener import open_link
from shellvault.errors import UsageError

LINK = "https://signin.example/federation?SigninToken=a-secret"

#: A stand-in for a browser: notes its command line and its environment, and follows the link once.
BROWSER = """#!{python}
import os, sys, urllib.error, urllib.request
class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, request, *rest):
        return None
try:
    urllib.request.build_opener(Stay, urllib.request.ProxyHandler({{}})).open(sys.argv[-1], timeout=5)
    led = "nowhere"
except urllib.error.HTTPError as error:
    led = error.headers.get("Location") or str(error.code)
open({noted!r}, "w").write("\\n".join([" ".join(sys.argv[1:]), led, " ".join(sorted(os.environ))]))
"""


class Browser:
    """A browser on PATH."""

    def __init__(self, folder: Path, name: str, body: str = BROWSER) -> None:
        self.noted = folder / f"{name}.noted"
        self.path = folder / name
        self.path.write_text(body.format(python=sys.executable, noted=str(self.noted)))
        self.path.chmod(0o755)

    @property
    def heard(self) -> list[str]:
        """Its command line, where the link led it, and the names in its environment."""
        return self.noted.read_text().split("\n")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"PATH": str(tmp_path), "HOME": str(tmp_path)}


def test_the_browsers_command_line_holds_only_a_local_link(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    browser = Browser(tmp_path, "firefox")
    assert open_link(LINK, environment, "firefox --new-window").program == "firefox"
    line, led, _ = browser.heard
    assert led == LINK
    assert line.startswith("--new-window http://127.0.0.1:")
    assert "secret" not in line


def test_browser_is_a_list_and_percent_s_stands_for_the_link(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    browser = Browser(tmp_path, "chrome")
    environment["BROWSER"] = "absent:lynx:chrome --app=%s --x"
    Browser(tmp_path, "lynx")
    # The stand-in follows its last word, so this one only shows what it was given.
    opener_result = open_link(LINK, environment | {"BROWSER": "absent:chrome --tab %s"})
    assert opener_result.program == "chrome"
    assert browser.heard[0].startswith("--tab http://127.0.0.1:")


def test_a_browser_that_fails_makes_room_for_the_next(tmp_path: Path, environment: dict[str, str]) -> None:
    Browser(tmp_path, "broken", "#!/bin/sh\nexit 3\n")
    browser = Browser(tmp_path, "works")
    assert open_link(LINK, environment | {"BROWSER": "broken:works"}).program == "works"
    assert browser.heard[1] == LINK


def test_without_a_browser_nothing_is_opened(environment: dict[str, str]) -> None:
    assert not open_link(LINK, environment)
    assert not open_link(LINK, environment | {"BROWSER": "lynx"})


def test_a_browser_that_is_named_must_be_there(environment: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="browser 'netscape' is not on PATH"):
        open_link(LINK, environment, "netscape")


def test_with_a_display_the_system_chooses(tmp_path: Path, environment: dict[str, str]) -> None:
    browser = Browser(tmp_path, "xdg-open")
    assert not open_link(LINK, environment)
    assert open_link(LINK, environment | {"DISPLAY": ":0"}).program == "xdg-open"
    assert browser.heard[1] == LINK


def test_under_wsl_the_windows_browser_gets_the_link_itself(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    browser = Browser(tmp_path, "wslview", '#!/bin/sh\nprintf %s "$1" >"${{0}}.noted"\n')
    assert open_link(LINK, environment | {"WSL_DISTRO_NAME": "Debian"}).program == "wslview"
    assert browser.heard == [LINK]


def test_the_browser_inherits_no_session_and_no_passphrase(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    browser = Browser(tmp_path, "firefox")
    open_link(
        LINK, environment | {"AWS_SECRET_ACCESS_KEY": "x", "SHELLVAULT_FILE_PASSPHRASE": "y"}, "firefox"
    )
    assert {"AWS_SECRET_ACCESS_KEY", "SHELLVAULT_FILE_PASSPHRASE"}.isdisjoint(browser.heard[2].split())


def test_a_link_that_is_none_is_refused(environment: dict[str, str]) -> None:
    for text in ("file:///etc/passwd", "https://a b", "https://a\nb", "--help"):
        with pytest.raises(ValueError, match="not a link"):
            open_link(text, environment)


def _follow(url: str) -> str:
    """Where a link leads, without going there; the status where it leads nowhere."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            return None

    try:
        urllib.request.build_opener(Stay, urllib.request.ProxyHandler({})).open(url, timeout=5)
    except urllib.error.HTTPError as error:
        return error.headers.get("Location") or str(error.code)
    except OSError:
        return "closed"
    return "nowhere"


def test_it_works_once() -> None:
    with one_time_link(LINK) as once:
        assert _follow(once.url.rpartition("/")[0] + "/guess") == "404"
        assert _follow(once.url) == LINK
        assert once.wait(5)
        assert _follow(once.url) in ("404", "closed")


def test_a_silent_connection_delays_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_head, "SECONDS", 0.2)
    with one_time_link(LINK) as once:
        host, port = once.url.split("/")[2].split(":")
        with socket.create_connection((host, int(port))):
            assert _follow(once.url) == LINK


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_another_user_is_not_led_on() -> None:
    ask = (
        "import os, sys, encodings.idna, http.client; os.setuid(65534); "
        "c = http.client.HTTPConnection(sys.argv[1], timeout=5); c.request('GET', sys.argv[2]); "
        "sys.exit(0 if c.getresponse().status == 404 else 1)"
    )
    with one_time_link(LINK) as once:
        _, _, host, path = once.url.split("/", 3)
        subprocess.run([sys.executable, "-c", ask, host, f"/{path}"], check=True, timeout=30)
        assert _follow(once.url) == LINK
