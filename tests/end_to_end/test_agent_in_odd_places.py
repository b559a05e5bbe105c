"""Nothing that is done to the agent makes a command fail: it does the work itself, with one line on stderr at most."""

import os
import resource
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Person, settle
from tests.end_to_end.test_agent_under_load import agent_and_workers
from tests.support.emulator import Aws
from tests.support.home import Home
from tests.support.sts_front import StsFront

pytestmark = pytest.mark.real


@pytest.fixture
def person(home: Home, aws: Aws, front: StsFront) -> Person:
    """A person whose commands would use the agent, which does not run yet."""
    person = settle(home, aws, front)
    del home.environment["SHELLVAULT_NO_AGENT"]
    return person


def runtime(person: Person) -> Path:
    return Path(person.home.environment["XDG_RUNTIME_DIR"])


def no_folder(person: Person) -> Path:
    """The agent's folder, which is not there any more."""
    folder = runtime(person) / "shellvault"
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def socket_path(person: Person) -> Path:
    """The agent's socket, in a folder with nothing else."""
    folder = no_folder(person)
    folder.mkdir(mode=0o700)
    return folder / "agent.sock"


def folder_is_a_file(person: Person) -> None:
    no_folder(person).write_text("")


def folder_is_a_link(person: Person) -> None:
    no_folder(person).symlink_to(person.home.path)


def folder_is_open_to_all(person: Person) -> None:
    socket_path(person).parent.chmod(0o777)


def socket_is_a_folder(person: Person) -> None:
    socket_path(person).mkdir()


def socket_is_a_fifo(person: Person) -> None:
    os.mkfifo(socket_path(person))


def lock_is_a_folder(person: Person) -> None:
    socket_path(person).with_name("agent.lock").mkdir()


def starting_lock_is_a_fifo(person: Person) -> None:
    os.mkfifo(socket_path(person).with_name("starting.lock"))


def agent_is_stopped(person: Person) -> None:
    person.home.succeed("agent", "start")
    for pid in agent_and_workers(person)[0]:
        os.kill(pid, signal.SIGSTOP)


def runtime_directory_is_missing(person: Person) -> None:
    del person.home.environment["XDG_RUNTIME_DIR"]


def runtime_directory_is_relative(person: Person) -> None:
    person.home.environment["XDG_RUNTIME_DIR"] = "run"


def every_path_is_too_long(person: Person) -> None:
    folder = person.home.path / ("long" * 30)
    folder.mkdir()
    person.home.environment.update(XDG_RUNTIME_DIR=str(folder), XDG_STATE_HOME=str(folder))


def agents_are_not_wanted(person: Person) -> None:
    person.home.environment["SHELLVAULT_NO_AGENT"] = "1"


#: Where there is an agent, or none is meant to be, nothing is said.
QUIET = [
    folder_is_open_to_all,
    socket_is_a_fifo,
    starting_lock_is_a_fifo,
    runtime_directory_is_missing,
    runtime_directory_is_relative,
    every_path_is_too_long,
    agents_are_not_wanted,
]
TOLD = [folder_is_a_file, folder_is_a_link, socket_is_a_folder, lock_is_a_folder, agent_is_stopped]


@pytest.mark.parametrize("misfortune", QUIET + TOLD, ids=lambda misfortune: misfortune.__name__)
def test_the_command_succeeds_all_the_same(person: Person, misfortune: Callable[[Person], None]) -> None:
    misfortune(person)
    start = time.monotonic()
    done = person.home.shellvault("exec", "work", "--", "printenv", "AWS_ACCESS_KEY_ID")
    assert time.monotonic() - start < 30
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ASIA")
    if misfortune in QUIET:
        assert done.stderr == ""
    else:
        assert done.stderr.startswith("shellvault: the agent ")
        assert done.stderr.endswith("; going on without the agent\n")
        assert done.stderr.count("\n") == 1


def test_an_agent_with_hardly_any_files_still_serves(person: Person) -> None:
    few = (16, 16)
    script = 'ulimit -n 16; exec shellvault exec work -- sh -c "ulimit -n; echo $AWS_ACCESS_KEY_ID"'
    done = person.home.run("bash", "-c", script)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    agents, _ = agent_and_workers(person)
    assert [resource.prlimit(pid, resource.RLIMIT_NOFILE) for pid in agents] == [few]
    assert person.home.succeed("exec", "work", "--", "printenv", "AWS_ACCESS_KEY_ID").startswith("ASIA")
