"""`eval "$(shellvault env work)"` where sh evaluates: scripts, make, `os.system`, cron, whatever started them."""

import shutil
import sys

import pytest

from tests.end_to_end.conftest import Person

ENTER = 'eval "$(shellvault env work)" && printenv AWS_VAULT'

#: What each place runs, with the text in its own file `script`.
PLACES = {
    "script": ["./script"],
    "dash": ["dash", "script"],
    "busybox": ["busybox", "sh", "script"],
    "mksh": ["mksh", "script"],
    "bash as sh": ["bash", "--posix", "script"],
    "from fish": ["fish", "-c", "./script"],
    "from zsh": ["zsh", "-c", "./script; true"],
    "make": ["make", "-s", "-f", "Makefile"],
    "os.system": [sys.executable, "-c", "import os; os.system('. ./script')"],
    "cron": ["env", "-u", "SHELL", "/bin/sh", "-c", ". ./script"],
}


@pytest.mark.real
@pytest.mark.parametrize("place", PLACES)
def test_a_session_is_entered_where_sh_evaluates(person: Person, place: str) -> None:
    command = PLACES[place]
    if not command[0].startswith(".") and shutil.which(command[0]) is None:
        pytest.skip(f"needs {command[0]}")
    person.home.environment["SHELL"] = "/bin/bash"
    script = person.home.path / "script"
    script.write_text(f"#!/bin/sh\nset -eu\n{ENTER}\n")
    script.chmod(0o755)
    (person.home.path / "Makefile").write_text(f"all:\n\t@{ENTER.replace('$', '$$')}\n")
    done = person.home.run(*command)
    assert (done.stdout, done.stderr, done.returncode) == ("work\n", "", 0)


def test_what_was_there_before_comes_back(person: Person) -> None:
    (person.home.path / "script").write_text(
        f'{ENTER}\neval "$(shellvault env --leave)"\nprintenv AWS_VAULT || printenv AWS_REGION\n'
    )
    done = person.home.run("sh", "script", AWS_REGION="us-west-2")
    assert (done.stdout, done.stderr) == ("work\nus-west-2\n", "")


def test_the_option_asks_for_posix_text_anywhere(person: Person) -> None:
    text = person.home.succeed("env", "--shell", "sh", "work")
    assert "__shellvault_hook" not in text
    assert person.home.run("sh", "-nc", text).returncode == 0


def test_a_read_only_variable_leaves_all_as_it_was(person: Person) -> None:
    for shell in (("sh",), ("busybox", "sh")):
        if shutil.which(shell[0]) is None:
            continue
        script = f'readonly AWS_SESSION_TOKEN=mine; {ENTER}; echo $? "${{AWS_ACCESS_KEY_ID-none}}"'
        done = person.home.run(*shell, "-c", script)
        assert done.stdout == "1 none\n", (shell, done.stderr)
        assert done.stderr.count("\n") == 1
