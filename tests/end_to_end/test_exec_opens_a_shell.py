"""`exec NAME` with nothing after it: the user's own shell in the session, kept fresh, gone with the shell."""

from pathlib import Path

import pytest

from shellvault.client import agent as client
from tests.end_to_end.conftest import Person, settle
from tests.end_to_end.test_kept_fresh import INIT
from tests.support.clients import need
from tests.support.emulator import Aws
from tests.support.home import Home
from tests.support.sts_front import StsFront
from tests.support.terminal import PLAIN, PROGRAMS, SHELLS, USUAL, terminal

pytestmark = pytest.mark.real


@pytest.fixture
def person(home: Home, aws: Aws, front: StsFront) -> Person:
    """A person who has an agent."""
    del home.environment["SHELLVAULT_NO_AGENT"]
    return settle(home, aws, front)


#: Makes the hook think that the session is due.
DUE = {"fish": "set -gx SHELLVAULT_REFRESH_AT 1", "powershell": "$env:SHELLVAULT_REFRESH_AT = '1'"}


@pytest.mark.parametrize("start_up", ["", "init"])
@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_has_segment_and_hook_and_ends_its_session(
    person: Person, shell: str, start_up: str
) -> None:
    person.home.environment["SHELL"] = str(need(PROGRAMS[shell]))
    text = PLAIN[shell] + "\n" + (INIT[shell].rpartition("end; ")[2] if start_up else "")
    if shell == "bash":
        # What the shell above it gets is another file.
        (person.home.path / ".bashrc").write_text(text)
    name = "$env:AWS_ACCESS_KEY_ID" if shell == "powershell" else "$AWS_ACCESS_KEY_ID"
    with terminal(person.home, shell, text, USUAL) as opened:
        opened.type("shellvault exec work")
        opened.wait_for(r"work (59m|1h00m)")
        first = opened.value(name)
        (row,) = (client.status(person.home.environment) or {})["sessions"]
        (pid,) = row["users"]
        assert pid in [process.pid for process in opened.children()]

        opened.run(f"shellvault env --fresh --shell {shell} work >/dev/null")
        opened.run(DUE.get(shell, "SHELLVAULT_REFRESH_AT=1"))
        second = opened.value(name)
        assert first.startswith("ASIA")
        assert second.startswith("ASIA")
        assert second != first
        opened.run("exit")
        assert opened.value(name) == ""
    assert pid not in (client.status(person.home.environment) or {})["shells"]


def test_what_reads_no_terminal_is_the_plain_shell(person: Person) -> None:
    for shell in ("/bin/sh", str(need("bash"))):
        person.home.environment["SHELL"] = shell
        done = person.home.shellvault("exec", "work", input="echo $AWS_VAULT; exit 7\n")
        assert (done.returncode, done.stdout, done.stderr) == (7, "work\n", "")


def test_a_zsh_keeps_its_own_files(person: Person, tmp_path: Path) -> None:
    folder = tmp_path / "dot files"
    folder.mkdir()
    (folder / ".zshenv").write_text("seen=env\n")
    (folder / ".zshrc").write_text(f"seen+=,rc\n{PLAIN['zsh']}\n")
    person.home.environment.update(SHELL=str(need("zsh")), ZDOTDIR=str(folder))
    with terminal(person.home, "bash", PLAIN["bash"], USUAL) as opened:
        opened.type("shellvault exec work")
        opened.wait_for(r"work (59m|1h00m)")
        assert opened.value("$seen,$ZDOTDIR,${SHELLVAULT_ZDOTDIR-}") == f"env,rc,{folder},"
