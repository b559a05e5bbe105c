"""Entering a session says one line where no prompt shows it: which, whose, for how long, how to leave."""

import re
import time
from collections.abc import Iterator

import pytest

from tests.end_to_end.conftest import Person, settle
from tests.support.emulator import Aws
from tests.support.home import Home
from tests.support.sts_front import StsFront
from tests.support.terminal import ENTER, INIT, PLAIN, SHELLS, Terminal, terminal

pytestmark = pytest.mark.real


#: A prompt of the user's with the segment.
OWN_PROMPT = {
    "bash": "PS1='$SHELLVAULT_SEGMENT> '",
    "zsh": "setopt prompt_subst; PS1='$SHELLVAULT_SEGMENT> '",
    "fish": "function fish_prompt; echo -n $SHELLVAULT_SEGMENT'> '; end",
    "powershell": 'function prompt { "$SHELLVAULT_SEGMENT> " }',
}


@pytest.fixture(params=SHELLS)
def shell(home: Home, aws: Aws, front: StsFront, request: pytest.FixtureRequest) -> Iterator[Terminal]:
    person: Person = settle(home, aws, front)
    with terminal(person.home, request.param, PLAIN[request.param]) as opened:
        yield opened


def entered(shell: Terminal, line: str = "") -> str:
    """What the shell says on entering, from the profile's name on."""
    shell.screen = ""
    shell._waited_to = 0
    shell.type(line or ENTER[shell.shell])
    said = re.search(r"(?s)shellvault: (work (?:1h00|59)m.*?to leave: [^\n]*)", shell.finish())
    return said[1].replace("\n  ", "; ").replace("1h00m", "59m").strip() if said else ""


def until(shell: Terminal) -> str:
    """The clock time at which the session ends."""
    name = "$env:SHELLVAULT_EXPIRES_AT" if shell.shell == "powershell" else "$SHELLVAULT_EXPIRES_AT"
    return time.strftime("%H:%M", time.localtime(int(shell.value(name))))


def leave_out(shell: Terminal) -> None:
    """Keeps the line away for this shell."""
    silent = {"powershell": "$env:SHELLVAULT_QUIET = '1'", "fish": "set -gx SHELLVAULT_QUIET 1"}
    shell.run(silent.get(shell.shell, "export SHELLVAULT_QUIET=1"))


def test_one_line_says_it_and_the_setting_silences_it(shell: Terminal, home: Home) -> None:
    told = entered(shell)
    assert told == f"work 59m, until {until(shell)}; to leave: shellvault leave"
    settings = home.path / ".config/shellvault/config.toml"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text("quiet = true\n")
    assert entered(shell) == ""
    settings.unlink()
    leave_out(shell)
    assert entered(shell) == ""


def test_a_prompt_that_shows_it_needs_no_line(shell: Terminal) -> None:
    shell.run(INIT[shell.shell])
    assert entered(shell) == entered(shell, "shellvault use work") == ""


def test_use_says_it_where_the_prompt_was_left_out(shell: Terminal) -> None:
    shell.run(INIT[shell.shell].replace(f"init {shell.shell}", f"init {shell.shell} --no-prompt"))
    assert (
        entered(shell, "shellvault use work") == f"work 59m, until {until(shell)}; to leave: shellvault leave"
    )
    assert entered(shell, "shellvault leave") == ""
    # Not where it would go into a file, nor where the user's own prompt shows the segment.
    discarded = "shellvault use work 2>errors"
    assert entered(shell, discarded) == "" or shell.shell == "powershell"
    shell.run(OWN_PROMPT[shell.shell])
    assert entered(shell, "shellvault use work") == ""
