"""Finds the agent, or starts it: exactly one, even when several commands want it at once."""

import os
import select
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NoReturn

from shellvault import hardening, locations, locks
from shellvault.errors import AgentError, ShellvaultError
from shellvault.fastlane.connection import reach
from shellvault.fastlane.starting import AGENT_VARIABLES

#: Seconds for an agent to start (a cold disk included), between two checks, and for a connection.
START_PATIENCE, PAUSE, CONNECT_PATIENCE = 5.0, 0.01, 5.0

#: How often to start an agent that exits at once, and seconds in between.
START_TRIES, START_PAUSE = 3, 0.05


def agent_command(folder: Path, how: Literal["detached", "foreground"]) -> list[str]:
    """The command line of an agent whose socket is in this folder."""
    door = Path(__file__).resolve().parents[1] / "agent" / "__main__.py"
    return [sys.executable, "-I", "-S", str(door), how, str(folder)]


def become_agent(environment: Mapping[str, str]) -> NoReturn:
    """Turns this process into the agent, in the foreground. Raises AgentError when an agent already runs."""
    path = locations.socket_path(environment)
    if connection := connect(path):
        connection.close()
        raise AgentError("an agent runs already: `shellvault agent stop` ends it")
    command = agent_command(path.parent, "foreground")
    os.execve(command[0], command, _agent_environment(environment))  # noqa: S606 - it takes our place


def connection_to_agent(environment: Mapping[str, str]) -> socket.socket:
    """A connection to the agent, started if necessary. Raises AgentError."""
    try:
        path = locations.socket_path(environment)
        connection = connect(path)
        if connection is None:
            with _starting(path.parent):
                connection = connect(path) or _start(path, environment)
        return connection
    except (OSError, ShellvaultError) as error:
        reason = str(error) if isinstance(error, ShellvaultError) else error.strerror or type(error).__name__
        raise AgentError(f"the agent cannot be used: {reason}") from error


def connect(path: Path) -> socket.socket | None:
    """A connection to this user's agent at this path; None when no agent listens. Raises AgentError."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        hardening.check_folder(path.parent)
        reach(connection, str(path), time.monotonic() + CONNECT_PATIENCE)
        connection.settimeout(CONNECT_PATIENCE)
        if hardening.peer_uid(connection) != os.getuid():
            raise AgentError(f"{str(path)!a} is served by another user: remove it")
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    except OSError as error:
        connection.close()
        raise AgentError(f"the agent's socket {str(path)!a}: {error.strerror or error}") from error
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _starting(folder: Path) -> Iterator[None]:
    """Lets one command at a time start an agent, so that the others find it. Raises AgentError."""
    deadline = time.monotonic() + 2 * START_PATIENCE
    lock = locks.open_lock(folder / "starting.lock")
    try:
        while not locks.is_locked_now(lock):
            if time.monotonic() > deadline:
                raise AgentError("another command is still starting the agent")
            time.sleep(PAUSE)
        yield
    finally:
        os.close(lock)


def _start(path: Path, environment: Mapping[str, str]) -> socket.socket:
    """Starts an agent and connects to it. Raises OSError, and AgentError when the agent does not start."""
    deadline = time.monotonic() + START_PATIENCE
    for _ in range(START_TRIES):
        _spawn(path.parent, environment, deadline)
        if connection := connect(path):
            return connection
        # The previous agent may have been about to exit.
        time.sleep(START_PAUSE)
    raise AgentError("the agent does not start")


def _spawn(folder: Path, environment: Mapping[str, str], deadline: float) -> None:
    """Starts an agent and waits until it serves or has ended. Raises OSError, and AgentError at the deadline."""
    import subprocess

    process = subprocess.Popen(
        agent_command(folder, "detached"),
        env=_agent_environment(environment),
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    # The agent is our child only until it detaches, but keeps its end of the pipe open until it serves.
    assert process.stdout  # noqa: S101 - as asked for
    with process.stdout as pipe:
        is_settled = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]
    try:
        process.wait(max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if not is_settled:
        raise AgentError("the agent does not start")


def _agent_environment(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: environment[name] for name in AGENT_VARIABLES if name in environment}
