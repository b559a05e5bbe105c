"""The first hour of three people, from an empty home, in four shells: the ways that docs and messages name lead on.

Every line of ours is looked at: it fits the screen or is one word, obeys NO_COLOR and TERM=dumb, and nothing is an
internal error.
"""

import re
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.importing.stores import credential, write_encrypted
from tests.support.emulator import ACCOUNT, Aws
from tests.support.home import PASSPHRASE, Home
from tests.support.signin import START_URL, SignInEmulator, running
from tests.support.signin import browser as browser_program
from tests.support.terminal import INIT, PLAIN, PROMPT, Terminal, terminal

pytestmark = pytest.mark.real

ALIAS = {"powershell": "Set-Alias aws-vault shellvault"}

NORMAL, COLORLESS, DUMB = {}, {"NO_COLOR": "1"}, {"TERM": "dumb"}  # type: dict[str, str], dict[str, str], dict[str, str]
#: Shell, columns and environment: each person's day on one screen a shell, every kind of screen for each person.
SCREENS = {
    "keys": [("bash", 80, NORMAL), ("zsh", 40, COLORLESS), ("fish", 80, DUMB), ("powershell", 40, NORMAL)],
    "browser": [
        ("bash", 40, DUMB),
        ("zsh", 80, NORMAL),
        ("fish", 40, NORMAL),
        ("powershell", 80, COLORLESS),
    ],
    "aws-vault": [("bash", 40, DUMB), ("zsh", 80, COLORLESS), ("fish", 40, NORMAL), ("powershell", 80, DUMB)],
}
NEW_PASSPHRASE = [("new passphrase", PASSPHRASE), ("it again: ", PASSPHRASE)]

_COLOR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-7]|4[0-7]|9[0-7]|10[0-7])(?:;\d+)*m")
_ESCAPE = re.compile(r"\x1b\[[0-9;?>=]*[a-zA-Z]|\x1b\][^\a\x1b]*(?:\a|\x1b\\)|\x1b[=>()][AB012]?|\r")
#: An option with all that it may be.
_CHOICES = re.compile(r" *--[a-z-]+ \[\S+\]")
_MOVE = re.compile(r"\x1b\[\d*[A-HJ]|⏎")
_WORD = re.compile(r"(?:`[^`]*`|'[^']*'|\S)+")


class Day:
    """A person at one shell: types a line, answers what is asked, and reads what is shown."""

    def __init__(self, opened: Terminal, columns: int, environment: dict[str, str]) -> None:
        self.opened, self.columns, self.environment = opened, columns, environment

    def does(self, line: str, *dialogue: tuple[str, str]) -> str:
        """What the screen shows for `line`, on one line; `dialogue` is what is waited for, and typed then."""
        opened = self.opened
        begin = opened._waited_to = len(opened.screen)
        opened.type(line)
        for question, answer in dialogue:
            opened.wait_for(question.replace(" ", r"\s+"))
            # What is asked in a list reads its keys a moment after it is shown.
            time.sleep(0.2)
            opened.press(f"{answer}\r")
        opened.wait_until(lambda: not opened.children(), f"an end of {line!r}")
        opened.run("")
        shown = opened.screen[begin:].replace("\r\n", "\n")
        # What the shell itself writes around the line that is typed is not ours.
        ours = [each for each in shown.split("\n")[1:] if PROMPT not in each and "marks-" not in each]
        self._look_at(line, ours, [answer for _, answer in dialogue if answer])
        return " ".join(_ESCAPE.sub("", "\n".join(ours)).split())

    def _look_at(self, line: str, ours: list[str], typed: list[str]) -> None:
        if not line.startswith(("shellvault", "aws-vault")):
            return
        for each in ours:
            if _MOVE.search(each):
                # A list to choose from, drawn by fzf.
                continue
            text = _ESCAPE.sub("", re.split(r"\r(?:\x1b\[K)?", each.rstrip("\r"))[-1])
            assert "internal error" not in text and "Traceback" not in text and text != "false", (line, text)
            for answer in sorted(typed, key=len, reverse=True):
                text = text.removesuffix(answer)
            is_word = len(_WORD.findall(text)) <= 1 or _CHOICES.fullmatch(text)
            assert len(text) <= self.columns or is_word, (line, text)
            if self.environment:
                assert not _COLOR.search(each), (line, each)
            if self.environment is DUMB:
                assert "\x1b[K" not in each, (line, each)


@contextmanager
def day(home: Home, shell: str, columns: int, environment: dict[str, str]) -> Iterator[Day]:
    """A day in an empty home, with nothing set up but what the test says; without a keyring."""
    for name in ("SHELLVAULT_FILE_PASSPHRASE", "SHELLVAULT_NO_AGENT"):
        del home.environment[name]
    home.environment.update(environment)
    # A zsh without it says so, once.
    start_up = "autoload -Uz compinit && compinit\n" if shell == "zsh" else ""
    with terminal(home, shell, start_up + PLAIN[shell], (24, columns)) as opened:
        yield Day(opened, columns, environment)


@pytest.mark.parametrize(("shell", "columns", "environment"), SCREENS["keys"])
def test_a_person_with_keys(
    home: Home, aws: Aws, shell: str, columns: int, environment: dict[str, str]
) -> None:
    keys = aws.user(f"first-{home.path.parent.name}"[:60])
    home.environment["AWS_ENDPOINT_URL"] = aws.endpoint
    with day(home, shell, columns, environment) as person:
        for line in (
            "shellvault",
            "shellvault list",
            "shellvault use work",
            "shellvault env work --shell bash",
        ):
            assert "`shellvault add NAME` stores access keys" in person.does(line), line
        added = person.does(
            "shellvault add work",
            ("Enter Access Key Id: ", keys.access_key_id),
            ("Enter Secret Key: ", keys.secret_access_key),
            ("Enter MFA device ARN", ""),
            ("Enter region", "eu-cental-1"),
            ("did you mean eu-central-1", "eu-central-1"),
            *NEW_PASSPHRASE,
        )
        assert "next: `" in added and keys.secret_access_key not in added
        person.does(INIT[shell])
        person.does("shellvault use work")
        assert re.match(r"work (1h00|59)m", person.opened.value("$SHELLVAULT_SEGMENT"))
        assert ACCOUNT in person.does("aws sts get-caller-identity")
        assert "(this one)" in person.does("shellvault why work")
        for line in ("shellvault list", "shellvault leave"):
            person.does(line)
        for line in ("shellvault why work", "shellvault agent status"):
            assert "(this one)" not in person.does(line)
        assert person.opened.value("$SHELLVAULT_SEGMENT") == ""
        assert "used-by-work" in person.does("shellvault exec work -- sh -c 'echo used-by-$AWS_VAULT'")
        assert "did you mean work?" in person.does("shellvault use wrok")
        assert "nothing was removed" in person.does("shellvault remove work", ("of work[?]", "n"))
        for line in ("shellvault doctor", "shellvault env work", "shellvault help add"):
            person.does(line)


@pytest.fixture
def services() -> Iterator[SignInEmulator]:
    with running() as emulator:
        yield emulator


@pytest.mark.parametrize(("shell", "columns", "environment"), SCREENS["browser"])
def test_a_person_with_a_browser(
    home: Home, services: SignInEmulator, shell: str, columns: int, environment: dict[str, str]
) -> None:
    program = home.path / "browser"
    program.write_text(f'#!/bin/sh\n{sys.executable} -I {browser_program.__file__} "$@" >/dev/null 2>&1 &\n')
    program.chmod(0o700)
    home.environment.update(
        {
            "AWS_ENDPOINT_URL": services.url,
            "BROWSER": str(program),
            "SHELLVAULT_DEVICE_CODE": "0",
        }
    )
    choices = [("account>", ""), ("role>", "")]
    if environment is DUMB:
        choices = [("account [(]number or name", "1"), ("role [(]number or name", "1")]
    with day(home, shell, columns, environment) as person:
        assert "`shellvault configure sso`" in person.does("shellvault signin")
        configured = person.does(
            "shellvault configure sso",
            ("Start URL of the portal: ", "example"),
            ("Start URL of the portal: ", START_URL),
            ("Region of IAM Identity Center: ", "eu-wst-1"),
            ("did you mean eu-west-1[?]", "eu-west-1"),
            ("Name for this sso-session", "corp"),
            *NEW_PASSPHRASE,
            *choices,
            ("Region of the profile", "eu-central-1"),
            ("Name of the profile", "admin"),
        )
        assert f"Account: {ACCOUNT} Main" in configured and "Role: Admin" in configured
        assert "`shellvault use admin` enters it" in configured
        person.does(INIT[shell])
        person.does("shellvault use admin")
        assert re.match(r"admin (1h00|59)m", person.opened.value("$SHELLVAULT_SEGMENT"))
        for line in ("signin", "list", "sso accounts", "sso roles", "why admin", "leave"):
            person.does(f"shellvault {line}")
        assert "used-by-admin" in person.does("shellvault exec admin -- sh -c 'echo used-by-$AWS_VAULT'")
        assert "signed in to corp" in person.does("shellvault signin --fresh admin")
        signed_out = person.does("shellvault signout admin")
        assert "signed out of corp" in signed_out and "can use the session" not in signed_out


@pytest.mark.parametrize(("shell", "columns", "environment"), SCREENS["aws-vault"])
def test_a_person_with_aws_vault(
    home: Home, aws: Aws, shell: str, columns: int, environment: dict[str, str]
) -> None:
    keys = aws.user(f"moved-{home.path.parent.name}"[:60])
    home.environment["AWS_ENDPOINT_URL"] = aws.endpoint
    home.write_config(
        "[profile work]\nregion = eu-central-1\n\n[profile old]\ncredential_process = aws-vault exec work --json\n"
    )
    stored = credential(keys.access_key_id, keys.secret_access_key)
    write_encrypted(home.path / ".awsvault/keys", "work", stored, "old passphrase")
    with day(home, shell, columns, environment) as person:
        assert "`shellvault install-process old`" in person.does("shellvault doctor")
        taken = person.does(
            "shellvault import",
            ("none, or names.: ", "all"),
            ("aws-vault's files in", "wrong"),
            ("does not open it", "old passphrase"),
            *NEW_PASSPHRASE,
        )
        assert "taken over: work" in taken and "still holds the key" in taken and "next: `" in taken
        person.does(ALIAS.get(shell, "alias aws-vault=shellvault"))
        assert keys.access_key_id[:-1] in person.does("aws-vault list")
        assert "used-by-work" in person.does("aws-vault exec work -- sh -c 'echo used-by-$AWS_VAULT'")
        assert "all is well" in person.does("shellvault doctor")
        assert not calls_of_old_tools(home)


def calls_of_old_tools(home: Home) -> list[str]:
    """The lines of the config file with which a program would still start the old tool."""
    lines = home.config_file.read_text().splitlines()
    started = [line.partition("=")[2] for line in lines if line.startswith("credential_process")]
    return [line for line in started if not shlex.split(line)[0].endswith("/shellvault")]
