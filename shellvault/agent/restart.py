"""Replaces the agent's program to wipe its memory.

Forgotten secrets stay in freed memory, which nothing wipes. execve(2) gives the process new memory and keeps its
pid, its children and its listener. State that may be kept is passed in a file that exists only in memory.
"""

import fcntl
import json
import os
import socket
from collections.abc import Callable
from typing import Any, NoReturn

from shellvault.protocol import Message

#: Releases a connection; returns it with the bytes that are still to be sent.
Release = Callable[[], tuple[socket.socket, bytes]]

#: Bytes that fit into a pipe (pipe(7)), where there are no files in memory.
PIPE_BYTES = 64 * 1024


def begin(command: tuple[str, ...], state: Message) -> NoReturn:
    """Turns this process into `command`, whose last argument is the number of a descriptor with the state.

    Only the open files of the state stay open (see `descriptors_in`). Raises OSError.
    """
    descriptor = _file_with(json.dumps(state).encode("ascii"))
    for number in (descriptor, *descriptors_in(state)):
        os.set_inheritable(number, True)
    os.execv(command[0], [*command, str(descriptor)])  # noqa: S606 - it takes our place


def state_from(descriptor: int) -> Message:
    """The state that was given to `begin`. Raises OSError, and ValueError for a bad one."""
    with open(descriptor, "rb") as file:
        state = json.loads(file.read())
    if not isinstance(state, dict):
        raise ValueError("no state of an agent")
    for number in descriptors_in(state):
        os.set_inheritable(number, False)
    return state


def descriptors_in(state: Any) -> list[int]:
    """The open files of a state: every number under the name `descriptor`."""
    if isinstance(state, dict):
        own = [state["descriptor"]] if isinstance(state.get("descriptor"), int) else []
        return own + [number for value in state.values() for number in descriptors_in(value)]
    return [number for value in state for number in descriptors_in(value)] if isinstance(state, list) else []


def socket_of(part: Message) -> socket.socket:
    """The socket of one part of a state. Raises OSError."""
    return socket.socket(fileno=part["descriptor"])


def _file_with(content: bytes) -> int:
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("shellvault-agent")
        os.write(descriptor, content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        return descriptor
    if len(content) > PIPE_BYTES:
        raise OSError("there is no place for the agent's state")
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETFL, os.O_NONBLOCK)
    os.write(writing, content)
    os.close(writing)
    return reading
