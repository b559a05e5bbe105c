"""A running agent for each test, in a folder of its own."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from shellvault import __version__, locations
from shellvault.client import agent as client
from shellvault.errors import AgentError, NeedsPersonError
from shellvault.fastlane import request
from shellvault.fastlane.connection import reach
from shellvault.protocol import Message
from shellvault.sessions.model import Challenge

STAND_IN = Path(__file__).with_name("stand_in.py")


def until(condition: Callable[[], Any], seconds: float = 10) -> Any:
    """Waits for a condition, and returns what made it true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)
    return found


@dataclass
class Person:
    """A prompter that answers from a list; an empty list stands for no person."""

    answers: list[str] = field(default_factory=list)
    questions: list[Challenge] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def ask(self, challenge: Challenge, withdrawn: int | None = None) -> str:
        self.questions.append(challenge)
        if not self.answers:
            raise NeedsPersonError("there is no terminal")
        return self.answers.pop(0)

    def tell(self, message: str) -> None:
        self.told.append(message)

    def wait_for_enter(self, other: int, seconds: float) -> bool | None:
        return None


@dataclass
class Place:
    """A home with a runtime directory, where an agent may run."""

    home: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.home),
            "XDG_RUNTIME_DIR": str(self.home / "run"),
            "PATH": os.environ["PATH"],
            "USER": "tester",
        }

    @property
    def socket_path(self) -> Path:
        return locations.socket_path(self.environment)

    def line(self, profile: str) -> str:
        return request.encode(profile, {}, self.environment, "/")

    def connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        reach(connection, str(self.socket_path), time.monotonic() + 20)
        connection.settimeout(20)
        return connection

    def send(self, data: bytes) -> bytes:
        """What the agent answers to these bytes until it closes the connection."""
        with self.connect() as connection:
            connection.sendall(data)
            return read_all(connection)

    def text(
        self, verb: str, form: str, profile: str, pid: int | str = "-", version: str = __version__
    ) -> str:
        return self.send(f"SV1 {version} {verb} {form} {pid} {self.line(profile)}\n".encode()).decode()

    def status(self) -> Message:
        found = client.status(self.environment)
        assert found is not None
        return found

    def obtain(
        self, profile: str, form: str = "env.bash", person: Person | None = None, **options: Any
    ) -> str:
        return client.obtain(
            self.line(profile),
            form,
            person or Person(),
            self.environment,
            waits_for=lambda what: None,
            **options,
        )

    def calls(self, what: str) -> int:
        """How often the worker has started a job (`start`) or asked AWS (`sts`)."""
        path = self.home / "calls"
        return path.read_text().split().count(what) if path.exists() else 0

    def start(self) -> subprocess.Popen[bytes]:
        folder = self.socket_path.parent
        agent = subprocess.Popen([sys.executable, "-S", str(STAND_IN), str(folder)], env=self.environment)
        until(self.is_serving)
        return agent

    def is_serving(self) -> bool:
        try:
            self.connect().close()
        except OSError:
            return False
        return True


def until_asked(connection: socket.socket) -> None:
    """Reads up to the agent's question."""
    reply = b""
    while b'"ask"' not in reply:
        data = connection.recv(65536)
        assert data, reply
        reply += data


def has_ended(pid: int) -> bool:
    """Whether a process is over, also where its parent has not noticed."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("Z")
    except OSError:
        return True


#: The agent is closed to other processes of its user (PR_SET_DUMPABLE).
looks_into_the_agent = pytest.mark.skipif(
    os.getuid() != 0, reason="needs root to look into a protected process"
)


def outcome(reply: bytes) -> Message:
    """The last message of a reply in JSON."""
    found = json.loads(reply.splitlines()[-1])
    assert isinstance(found, dict)
    return found


def read_all(connection: socket.socket) -> bytes:
    reply = b""
    try:
        while data := connection.recv(65536):
            reply += data
    except ConnectionResetError:
        pass
    return reply


def session_message(place: Place, profile: str, form: str = "env.bash", **changes: Any) -> bytes:
    message = {
        "do": "session",
        "version": __version__,
        "request": place.line(profile),
        "form": form,
        "pid": None,
        "fresh": False,
        "mfa_token": None,
        "environment": place.environment,
        "directory": "/",
        **changes,
    }
    return json.dumps(message).encode() + b"\n"


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A home without an agent. Whatever agent was started there is stopped afterwards."""
    home = tmp_path_factory.mktemp("a")
    (home / "run").mkdir(mode=0o700)
    (home / ".aws").mkdir()
    (home / ".aws" / "config").write_text("[default]\n")
    found = Place(home)
    yield found
    with contextlib.suppress(AgentError):
        client.stop(found.environment)


@pytest.fixture
def agent(place: Place) -> Iterator[Place]:
    """A home with a running agent whose worker is the stand-in."""
    process = place.start()
    yield place
    process.send_signal(signal.SIGTERM)
    process.wait(10)
