"""The command behind a request: its environment and folder, and whether it lives where the agent lives."""

import errno
import os
import select
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from shellvault import hardening
from shellvault.protocol import HAS_VAULT_TOKEN, WORKER_VARIABLES, Message

#: What decides where a program that the worker runs for somebody would run (namespaces(7)).
NAMESPACES = ("mnt", "net", "pid", "user")

#: SO_PEERPIDFD of asm-generic/socket.h (Linux 6.5), which Python does not name.
SO_PEERPIDFD = 77


class Caller(NamedTuple):
    """What the helper programs of a request, and the calls to AWS for it, are to find."""

    environment: Message
    directory: str
    is_local: bool
    """Whether it shares our namespaces."""
    runs_helpers: bool
    """Whether the worker may run helper programs for it: not for containers, nor for who has not said where."""


def worker_part(environment: Mapping[str, str]) -> dict[str, str]:
    """What a worker process gets of an environment."""
    return {name: environment[name] for name in WORKER_VARIABLES if name in environment}


def told(environment: Message, directory: str, connection: socket.socket) -> Caller:
    """The caller that describes itself. Raises ValueError when no process can have these."""
    _check(environment, directory)
    is_local = _is_local(connection)
    return Caller(environment, directory, is_local, runs_helpers=is_local)


def seen(connection: socket.socket) -> Caller | None:
    """The caller that says nothing of itself, as the system shows it; None where it does not."""
    pid = hardening.peer_pid(connection)
    if not _is_local(connection):
        return None
    try:
        lines = Path(f"/proc/{pid}/environ").read_bytes().decode("utf-8", "surrogateescape").split("\0")
        directory = str(Path(f"/proc/{pid}/cwd").readlink())
    except OSError:
        return None
    everything = {name: value for name, _, value in (line.partition("=") for line in lines)}
    environment = worker_part(everything)
    if everything.get("VAULT_TOKEN"):
        environment[HAS_VAULT_TOKEN] = "1"
    caller = Caller(environment, directory, is_local=True, runs_helpers=False)
    return caller if _was_there(connection) else None


def _check(environment: Message, directory: str) -> None:
    if not directory.startswith("/") or "\0" in directory:
        raise ValueError("not a folder")
    if not all(
        isinstance(value, str) and "\0" not in name + value and "=" not in name
        for name, value in environment.items()
    ):
        raise ValueError("not an environment")


def _is_local(connection: socket.socket) -> bool:
    """Whether the other side certainly shares our namespaces, as far as this system has any.

    One that keeps others out (PR_SET_DUMPABLE) cannot be looked at, and so does not.
    """
    if sys.platform != "linux":
        return True
    pid = hardening.peer_pid(connection)
    try:
        return (
            pid > 0
            and all(_namespace(pid, name) == _namespace("self", name) for name in NAMESPACES)
            and _was_there(connection)
        )
    except OSError:
        return False


def _namespace(pid: int | str, name: str) -> Path:
    return Path(f"/proc/{pid}/ns/{name}").readlink()


def _was_there(connection: socket.socket) -> bool:
    """Whether the process that connected still runs, so that its number has not become another's."""
    try:
        descriptor = connection.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD)
    except OSError as error:
        # An older kernel does not know it; a number is seldom used again so soon.
        return error.errno == errno.ENOPROTOOPT
    try:
        return not select.select([descriptor], [], [], 0)[0]
    finally:
        os.close(descriptor)
