"""A real Chromium walks both flows; its pictures of our pages are kept next to the test's home."""

import subprocess
from pathlib import Path

import pytest

from tests.signin.terminal import run, start
from tests.support.clients import need
from tests.support.home import Home
from tests.support.signin import SignInEmulator

pytestmark = pytest.mark.real

#: Blink's preferredColorScheme.
SCHEMES = {"dark": "0", "light": "1"}


@pytest.fixture(params=["light", "dark"])
def chromium(at_home: Home, request: pytest.FixtureRequest) -> Home:
    """A home whose browser is Chromium; `page.png` shows the last page."""
    flags = [
        str(need("chromium")),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-dev-shm-usage",
        "--window-size=900,500",
        "--virtual-time-budget=8000",
        f"--user-data-dir={at_home.path}/chromium",
        f"--blink-settings=preferredColorScheme={SCHEMES[request.param]}",
    ]
    program = at_home.path / "browser"
    program.write_text(
        f'#!/bin/sh\n{" ".join(flags)} --screenshot={at_home.path}/page.png "$1" >/dev/null 2>&1 &\n'
    )
    program.chmod(0o700)
    return at_home


def is_picture(path: Path) -> bool:
    return path.exists() and path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 3000


@pytest.mark.parametrize("profile", ["admin", "me"])
def test_a_sign_in_that_works(chromium: Home, profile: str) -> None:
    assert "signed in to" in run(chromium, "signin", profile)
    assert _picture(chromium)


@pytest.mark.parametrize("profile", ["admin", "me"])
def test_a_refusal(chromium: Home, services: SignInEmulator, profile: str) -> None:
    services.consenting = "deny"
    assert "was refused in the browser" in run(chromium, "signin", profile, status=1)
    assert _picture(chromium)


@pytest.mark.parametrize("profile", ["admin", "me"])
def test_an_answer_to_another_sign_in_changes_nothing(
    chromium: Home, services: SignInEmulator, profile: str
) -> None:
    services.consenting = "wrong-state"
    child = start(chromium, "signin", profile)
    child.expect("Sign in to")
    assert _picture(chromium)
    assert child.isalive()
    child.sendintr()
    child.wait()
    assert services.calls["POST /token"] == services.calls["POST /v1/token"] == 0


def _picture(home: Home) -> bool:
    """Waits for the browser to have painted."""
    subprocess.run(
        ["sh", "-c", f"for i in $(seq 100); do [ -s '{home.path}/page.png' ] && exit; sleep 0.2; done"],
        check=True,
        timeout=40,
    )
    return is_picture(home.path / "page.png")
