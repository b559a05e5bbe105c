"""`shellvault use` without a name: a person chooses on the terminal, from a list, in a real shell."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Person, settle
from tests.end_to_end.test_kept_fresh import INIT
from tests.support.clients import need
from tests.support.emulator import Aws
from tests.support.home import Home
from tests.support.sts_front import StsFront
from tests.support.terminal import PROGRAMS, SHELLS, Terminal

pytestmark = [pytest.mark.real, pytest.mark.parametrize("shell", SHELLS)]


@pytest.fixture
def person(home: Home, aws: Aws, front: StsFront) -> Person:
    """A person who has an agent."""
    del home.environment["SHELLVAULT_NO_AGENT"]
    return settle(home, aws, front)


@pytest.fixture
def terminal(shell: str, person: Person) -> Iterator[Terminal]:
    """The shell, with `init` in its start-up file."""
    need(PROGRAMS[shell])
    opened = Terminal(shell, person.home.path, INIT[shell] + "\n", person.home.environment)
    yield opened
    opened.close()


@pytest.fixture
def without_fzf(home: Home, tmp_path: Path) -> None:
    """Takes fzf from PATH, and nothing else."""
    folders = []
    for number, folder in enumerate(map(Path, home.environment["PATH"].split(":"))):
        if (folder / "fzf").exists():
            rest = tmp_path / f"programs-{number}"
            rest.mkdir()
            for program in folder.iterdir():
                if program.name != "fzf":
                    (rest / program.name).symlink_to(program)
            folder = rest
        folders.append(str(folder))
    home.environment["PATH"] = ":".join(folders)


def profile(terminal: Terminal) -> str:
    """The profile whose session the shell has."""
    return terminal.value("$env:AWS_VAULT" if terminal.shell == "powershell" else "$AWS_VAULT")


def narrowed(terminal: Terminal) -> str:
    """How its session is narrowed."""
    return terminal.value(
        "$env:SHELLVAULT_NARROWED" if terminal.shell == "powershell" else "$SHELLVAULT_NARROWED"
    )


@pytest.mark.usefixtures("without_fzf")
def test_a_person_chooses_from_the_list_and_goes_back(terminal: Terminal, person: Person) -> None:
    person.configure(
        "[profile other]\nrole_arn = arn:aws:iam::000000000000:role/other\nsource_profile = work"
    )
    person.home.succeed("exec", "guarded", "--", "true")
    for keys, chosen in (("\r", "guarded"), ("wor\r", "work"), ("\x1b", "work"), ("\x03", "work")):
        terminal.type("shellvault use")
        terminal.wait_for("000000000000 other")
        terminal.press(keys)
        printed = terminal.finish()
        assert profile(terminal) == chosen
        assert "shellvault: error" not in printed
    for back in ("guarded", "work"):
        terminal.run("shellvault use -")
        assert profile(terminal) == back
    assert "Traceback" not in terminal.screen


@pytest.mark.usefixtures("without_fzf")
def test_a_profile_chosen_again_is_no_wider(terminal: Terminal, person: Person) -> None:
    person.configure(f"[profile admin]\nrole_arn = {person.role('admin')}\nsource_profile = work")
    policy = person.home.path / "policy.json"
    policy.write_text('{"Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}]}')
    for options, label in ((f"--policy {policy} ", "policy"), ("--read-only ", "ro")):
        terminal.run(f"shellvault use {options}admin")
        terminal.run("shellvault use work")
        assert (profile(terminal), narrowed(terminal)) == ("work", "")
        policy.unlink(missing_ok=True)
        terminal.run("shellvault use -")
        assert (profile(terminal), narrowed(terminal)) == ("admin", label)
        assert f"admin: narrowed as before ({options.split()[0]}" in terminal.screen
    terminal.type("shellvault use")
    terminal.wait_for("user-")
    terminal.press("adm\r")
    assert "admin: narrowed as before (--read-only)" in terminal.finish()
    assert (profile(terminal), narrowed(terminal)) == ("admin", "ro")
    # Who names the profile means all of it.
    terminal.run("shellvault use admin")
    assert (profile(terminal), narrowed(terminal)) == ("admin", "")
