"""The command behind a request: its environment, its folder, and whether it shares the agent's namespaces."""

import errno
import os
import select
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from shellvault import guard, hardening
from shellvault.agent import processes
from shellvault.agent.processes import Process
from shellvault.agent.spawning import worker_part as worker_part
from shellvault.fastlane import request
from shellvault.protocol import HAS_VAULT_TOKEN, WORKER_VARIABLES, Message

#: The namespaces in which a caller and the agent must agree (namespaces(7)).
NAMESPACES = ("mnt", "net", "pid", "user")

#: SO_PEERPIDFD of asm-generic/socket.h (Linux 6.5), which Python does not name.
SO_PEERPIDFD = 77

#: Local processes that are remembered before ended ones are forgotten.
REMEMBERED = 256


class Caller(NamedTuple):
    """The environment and folder for a request's helper programs and calls to AWS."""

    environment: Message
    directory: str
    is_local: bool
    """Whether it shares our namespaces."""
    runs_helpers: bool
    """Whether the worker may run helper programs for it: not for containers, nor without a stated folder."""


class Callers:
    """Checks what callers state about themselves."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """`environment` is the agent's own; it replaces that of callers in other namespaces."""
        self._own = worker_part(environment)
        self._ours: set[Process] = set()
        """Processes that were seen in our namespaces. One that holds a secret cannot be inspected any more."""

    def from_message(self, environment: Message, directory: str, connection: socket.socket) -> Caller:
        """The caller of a message that describes it. Raises ValueError for impossible values."""
        _check(environment, directory)
        if self.is_local(connection):
            return Caller(environment, directory, is_local=True, runs_helpers=True)
        return self._elsewhere(has_token=bool(environment.get(HAS_VAULT_TOKEN)))

    def seen(self, connection: socket.socket) -> Caller:
        """The caller of a message that does not describe it, from what the system shows."""
        pid = hardening.peer_pid(connection)
        if not self.is_local(connection):
            return self._elsewhere()
        try:
            lines = Path(f"/proc/{pid}/environ").read_bytes().decode("utf-8", "surrogateescape").split("\0")
            directory = str(Path(f"/proc/{pid}/cwd").readlink())
        except OSError:
            return self._elsewhere()
        everything = {name: value for name, _, value in (line.partition("=") for line in lines)}
        environment = worker_part(everything)
        if everything.get("VAULT_TOKEN"):
            environment[HAS_VAULT_TOKEN] = "1"
        caller = Caller(environment, directory, is_local=True, runs_helpers=False)
        return caller if _was_there(connection) else self._elsewhere()

    def _elsewhere(self, *, has_token: bool = False) -> Caller:
        mark = {HAS_VAULT_TOKEN: "1"} if has_token else {}
        return Caller({**self._own, **mark}, "/", is_local=False, runs_helpers=False)

    def is_local(self, connection: socket.socket) -> bool:
        """Whether the other side certainly shares our namespaces; always True on systems without them.

        A process that cannot be inspected (PR_SET_DUMPABLE) is local if it was local before.
        """
        if sys.platform != "linux":
            return True
        pid = hardening.peer_pid(connection)
        try:
            process = processes.find(pid) if pid > 0 else None
            if process is None or not _was_there(connection):
                return False
            shares = all(_namespace(pid, name) == _namespace("self", name) for name in NAMESPACES)
        except PermissionError:
            return process in self._ours
        except OSError:
            return False
        if shares:
            self._note(process)
        return shares and _was_there(connection)

    def may_ask(self, line: str, caller: Caller | None) -> bool:
        """Whether a request line names only files and hosts that this caller may use."""
        if caller is None or caller.is_local:
            return True
        own = request.decode(request.encode("-", {}, self._own, "/"))[1]
        return all(
            name in guard.SAID_FROM_ANYWHERE or name in request.GIVEN or own.get(name) == value
            for name, value in request.decode(line)[1].items()
        )

    def speaks_for(self, connection: socket.socket, pid: int | None) -> bool:
        """Whether the other side may act for this process.

        It may for itself, for a child, and for an ancestor in the same session (setsid(2)): a command's shell.
        """
        if pid is None or sys.platform != "linux":
            return True
        peer = hardening.peer_pid(connection)
        try:
            return peer > 0 and _belong_together(peer, pid) and _was_there(connection)
        except (OSError, ValueError, IndexError):
            return False

    def state(self) -> list[Process]:
        """The state for a fresh agent (see `restart`)."""
        return list(self._ours)

    def restore(self, state: list[list[object]]) -> None:
        """Takes back what `state` gave."""
        self._ours = {Process(*process) for process in state}  # type: ignore[arg-type]

    def _note(self, process: Process) -> None:
        if len(self._ours) >= REMEMBERED:
            self._ours = {known for known in self._ours if processes.is_alive(known)}
        self._ours.add(process)


def with_network_of(one: Caller, other: Caller) -> Caller:
    """The first caller, with the second one's variables for the worker itself (a proxy)."""
    if not (one.is_local and other.is_local):
        return other
    rest = {name: value for name, value in one.environment.items() if name not in WORKER_VARIABLES}
    return one._replace(environment={**rest, **worker_part(other.environment)})


def _belong_together(peer: int, pid: int) -> bool:
    """Whether `pid` is `peer`, its child, or its ancestor in the same session, and of the same user."""
    if pid == peer:
        return True
    family = processes.family(pid)
    if family.uid != os.getuid():
        return False
    if family.parent == peer:
        return True
    session, above = processes.family(peer).session, peer
    while above > 1 and (found := processes.family(above)).session == session:
        if found.parent == pid:
            return family.session == session
        above = found.parent
    return False


def _check(environment: Message, directory: str) -> None:
    if not directory.startswith("/") or "\0" in directory:
        raise ValueError("not a folder")
    if not all(
        isinstance(value, str) and "\0" not in name + value and "=" not in name
        for name, value in environment.items()
    ):
        raise ValueError("not an environment")


def _namespace(pid: int | str, name: str) -> Path:
    return Path(f"/proc/{pid}/ns/{name}").readlink()


def _was_there(connection: socket.socket) -> bool:
    """Whether the process that connected still runs: else its pid may be another process's."""
    try:
        descriptor = connection.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD)
    except OSError as error:
        # An older kernel does not know it; a number is seldom used again so soon.
        return error.errno == errno.ENOPROTOOPT
    try:
        return not select.select([descriptor], [], [], 0)[0]
    finally:
        os.close(descriptor)
