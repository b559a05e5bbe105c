"""Who asks: a real pinentry in a terminal, a real zenity on a screen; stand-ins for what cannot run here."""

import base64
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pexpect
import pytest

from shellvault.dialogue import pinentry, prompters
from shellvault.errors import NeedsPersonError
from shellvault.sessions.model import Challenge
from tests.support.clients import need

SUBJECT = "arn:aws:iam::1:mfa/50%_o'clock"
CHALLENGE = Challenge("mfa-code", SUBJECT, f"Enter MFA code for {SUBJECT}: ")
ASKING = f"""
import os
from shellvault.dialogue import prompters
from shellvault.errors import NeedsPersonError
from shellvault.sessions.model import Challenge
try:
    challenge = Challenge("mfa-code", {SUBJECT!r}, {CHALLENGE.prompt!r})
    print("answer", prompters.choose("pinentry", os.environ).ask(challenge))
except NeedsPersonError as error:
    print("refused", error)
"""


@pytest.fixture
def asking(tmp_path: Path) -> pexpect.spawn:
    """A process that asks by pinentry-curses, in a terminal."""
    need("pinentry-curses")
    (tmp_path / "pinentry").symlink_to(shutil.which("pinentry-curses") or "")
    environment = {
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "TERM": "xterm",
        "LANG": "C.UTF-8",
        "HOME": str(tmp_path),
    }
    spawned = pexpect.spawn(
        sys.executable, ["-c", ASKING], env=environment, timeout=30, encoding="utf-8", dimensions=(24, 100),
        cwd=str(Path(__file__).parents[2]),
    )  # fmt: skip
    # The name is shown as it is: neither `%` nor `_` means something on its way.
    spawned.expect("50%_o'clock")
    return spawned


@pytest.mark.real
def test_pinentry_asks_in_the_terminal(asking: pexpect.spawn) -> None:
    asking.expect("OK")
    asking.send("12%45\r")
    asking.expect(r"answer 12%45\s")


@pytest.mark.real
def test_a_pinentry_that_is_closed_is_no_answer(asking: pexpect.spawn) -> None:
    asking.expect("Cancel")
    asking.send("\t\t\r")
    asking.expect("refused an MFA code of .* is needed: pinentry gave no answer")


def test_a_prompt_is_one_line_of_the_protocol() -> None:
    assert pinentry._escaped("100%\nGETPIN") == "100%25%0AGETPIN"


@pytest.fixture
def display() -> Iterator[str]:
    """An X display that nobody looks at."""
    with subprocess.Popen(
        [need("Xvfb"), "-displayfd", "1", "-nolisten", "tcp"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout is not None
        yield f":{server.stdout.readline().strip()}"
        server.terminate()


@pytest.mark.real
def test_zenity_asks_on_the_screen(display: str, tmp_path: Path) -> None:
    need("zenity")
    environment = {"PATH": os.environ["PATH"], "DISPLAY": display, "NO_AT_BRIDGE": "1", "HOME": str(tmp_path)}
    typing = "search --sync --onlyvisible --name shellvault windowfocus type 123456"
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(prompters.choose("zenity", environment).ask, CHALLENGE)
        xdotool = str(need("xdotool"))
        subprocess.run([xdotool, *typing.split()], env=environment, check=True, timeout=30)
        subprocess.run([xdotool, "key", "Return"], env=environment, check=True, timeout=30)
        assert asked.result(30) == "123456"


def test_zenity_is_given_a_text_that_it_shows_as_it_is(tmp_path: Path) -> None:
    program = tmp_path / "zenity"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > "$0.arguments"\necho 1\n')
    program.chmod(0o755)
    challenge = Challenge("mfa-code", "a_b\\n", "Enter a_b\\n: ")
    prompters.choose("zenity", {"PATH": f"{tmp_path}:/usr/bin:/bin"}).ask(challenge)
    # Seen in a picture of the real one: `_` marks a letter there, and backslashes begin escapes.
    assert "--text=Enter a__b\\\\n\n" in (tmp_path / "zenity.arguments").read_text()


def test_windows_own_dialog_gets_the_question_as_one_quoted_word(tmp_path: Path) -> None:
    program = tmp_path / "powershell.exe"
    program.write_text('#!/bin/sh\nprintf %s "$3" > "$0.script"\nprintf "123456\\r\\n"\n')
    program.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    assert prompters.choose("wincredui", environment).ask(CHALLENGE) == "123456"
    script = base64.b64decode((tmp_path / "powershell.exe.script").read_bytes()).decode("utf-16-le")
    assert "-Message 'Enter MFA code for arn:aws:iam::1:mfa/50%_o''clock')" in script


def test_a_dialog_that_fails_is_no_answer(tmp_path: Path) -> None:
    program = tmp_path / "pinentry"
    program.write_text("#!/bin/sh\necho OK\necho ERR 83886179 Operation cancelled\n")
    program.chmod(0o755)
    with pytest.raises(NeedsPersonError, match="pinentry gave no answer"):
        prompters.choose("pinentry", {"PATH": f"{tmp_path}:/usr/bin:/bin"}).ask(CHALLENGE)
