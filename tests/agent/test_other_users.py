"""What another user of the machine can learn of the real agent: nothing."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from shellvault.client import agent as client
from tests.end_to_end.conftest import Person, settle
from tests.support.emulator import Aws
from tests.support.home import Home
from tests.support.sts_front import StsFront

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(os.getuid() != 0, reason="needs root to become another user"),
]

NOBODY = 65534


@pytest.fixture
def person(home: Home, aws: Aws, front: StsFront) -> Iterator[Person]:
    """A person with an agent, whose home and runtime directory any user may enter."""
    del home.environment["SHELLVAULT_NO_AGENT"]
    person = settle(home, aws, front)
    person.home.succeed("exec", "work", "--", "true")
    for shell in ("bash", "zsh", "fish", "powershell"):
        person.home.succeed("init", shell)
    yield person


def is_open(path: Path) -> bool:
    """Whether this process can list the folder, connect to the socket, or read the file."""
    try:
        if path.suffix == ".sock":
            socket.socket(socket.AF_UNIX).connect(str(path))
        elif path.is_dir():
            os.listdir(path)
        else:
            with path.open("rb") as file:
                file.read(1)
    except OSError:
        return False
    return True


def visible_to_nobody(paths: list[Path]) -> list[Path]:
    """Those that another user gets at; tried in a child, since that user may not run this interpreter."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.write(writing, "\n".join(str(path) for path in paths if is_open(path)).encode() + b"\nend")
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        *found, end = pipe.read().split("\n")
    os.waitpid(child, 0)
    assert end == "end"
    return [Path(name) for name in found if name]


def test_no_other_user_can_connect_or_read(person: Person) -> None:
    runtime = Path(person.home.environment["XDG_RUNTIME_DIR"])
    # The test's own folders keep others out, and so would hide what the program's files do.
    opened = [runtime, person.home.path, *person.home.path.parents, person.home.path / ".local"]
    modes = {path: path.stat().st_mode & 0o7777 for path in opened if path != Path("/")}
    state = Path(person.home.environment["XDG_STATE_HOME"], "shellvault")
    data = Path(person.home.environment["XDG_DATA_HOME"], "shellvault")
    try:
        for path, mode in modes.items():
            path.chmod(mode | 0o055)
        ours = [
            path for folder in (runtime / "shellvault", state, data) for path in [folder, *folder.rglob("*")]
        ]
        assert any(path.name == "names" for path in ours)
        assert any(path.name == "agent.sock" for path in ours)
        assert any("init" in path.parts for path in ours)
        # Nobody can look around, so what is refused below is refused by the program's own modes.
        assert visible_to_nobody([runtime, person.home.path]) == [runtime, person.home.path]
        assert visible_to_nobody(ours) == []
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


def test_no_process_can_be_looked_into(person: Person) -> None:
    found = client.status(person.home.environment)
    assert found
    for pid in [found["pid"], *found["workers"]]:
        files = [Path(f"/proc/{pid}/{name}") for name in ("mem", "environ", "maps", "fd")]
        assert visible_to_nobody(files) == []
