"""Entering a session says one line where no prompt shows it: which, whose, for how long, how to leave."""

import re
from collections.abc import Iterator

import pytest

from tests.end_to_end.conftest import Person, settle
from tests.support.emulator import Aws
from tests.support.home import Home
from tests.support.sts_front import StsFront
from tests.support.terminal import PLAIN, SHELLS, Terminal, terminal

pytestmark = pytest.mark.real

ENTER = {
    "bash": 'eval "$(shellvault env work)"',
    "zsh": 'eval "$(shellvault env work)"',
    "fish": "shellvault env work | source",
    "powershell": "shellvault env work | Out-String | Invoke-Expression",
}
INIT = {
    "bash": 'eval "$(shellvault init bash)"',
    "zsh": 'eval "$(shellvault init zsh)"',
    "fish": "shellvault init fish | source",
    "powershell": "shellvault init powershell | Out-String | Invoke-Expression",
}


@pytest.fixture(params=SHELLS)
def shell(home: Home, aws: Aws, front: StsFront, request: pytest.FixtureRequest) -> Iterator[Terminal]:
    person: Person = settle(home, aws, front)
    with terminal(person.home, request.param, PLAIN[request.param]) as opened:
        yield opened


def entered(shell: Terminal) -> str:
    shell.screen = ""
    shell._waited_to = 0
    shell.type(ENTER[shell.shell])
    printed = shell.finish()
    return "\n".join(re.findall(r"shellvault: work (?:59m|1h00m).*", printed))


def test_one_line_says_it_and_the_setting_silences_it(shell: Terminal, home: Home) -> None:
    told = entered(shell)
    assert re.fullmatch(r"shellvault: work (59m|1h00m)(, account \d+)?; to leave: shellvault leave", told), (
        told
    )
    settings = home.path / ".config/shellvault/config.toml"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text("quiet = true\n")
    assert entered(shell) == ""
    settings.unlink()
    if shell.shell == "powershell":
        shell.run("$env:SHELLVAULT_QUIET = '1'")
    else:
        shell.run("set -gx SHELLVAULT_QUIET 1" if shell.shell == "fish" else "export SHELLVAULT_QUIET=1")
    assert entered(shell) == ""


def test_a_prompt_that_shows_it_needs_no_line(shell: Terminal) -> None:
    shell.run(INIT[shell.shell])
    assert entered(shell) == ""
