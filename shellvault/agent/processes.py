"""Facts about processes, read from the kernel: psutil would cost the agent 6 MiB."""

import os
import sys
from pathlib import Path
from typing import NamedTuple

from shellvault.actors import Process

__all__ = ["Process"]


def find(pid: int) -> Process | None:
    """The process with this number, None when there is none (a zombie counts as gone).

    Raises OSError when the system cannot say now (EMFILE, ENOMEM).
    """
    if sys.platform == "linux":
        try:
            # The name in parentheses may hold anything, so the fields are counted from its end.
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[0] in (b"Z", b"X") else Process(pid, fields[19].decode("ascii"))
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return Process(pid, "")


class Family(NamedTuple):
    """The parent, session and user of a process."""

    parent: int
    session: int
    """The process id of its session's leader (setsid(2))."""
    uid: int


def family(pid: int) -> Family:
    """The parent, session and user of a process (proc_pid_stat(5), proc_pid_status(5)). Raises OSError."""
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    status = Path(f"/proc/{pid}/status").read_bytes()
    return Family(int(fields[1]), int(fields[3]), int(status.partition(b"\nUid:")[2].split()[0]))


class Seat(NamedTuple):
    """The terminal from which a process reads what a person types."""

    terminal: str
    """Such as `pts/3`; empty without one, or where the system does not say."""
    is_in_front: bool
    """Whether what is typed there goes to it: it is neither stopped nor in the background."""


def seat(pid: int) -> Seat:
    """The terminal of the process `pid` (proc_pid_stat(5): state, pgrp, tty_nr, tpgid)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return Seat("", is_in_front=False)
    number = int(fields[4])
    major, minor = number >> 8 & 0xFFF, number & 0xFF | number >> 12 & 0xFFF00
    # UNIX98_PTY_SLAVE_MAJOR and TTY_MAJOR of the kernel's major.h.
    name = (
        f"pts/{(major - 136) * 256 + minor}" if 136 <= major <= 143 else f"tty{minor}" if major == 4 else ""
    )
    return Seat(name, fields[0] not in (b"T", b"t") and fields[2] == fields[5])


def is_alive(process: Process) -> bool:
    """Whether exactly this process still runs. One that cannot be inspected counts as running."""
    try:
        found = find(process.pid)
        # Without a start time, the pid alone decides.
        return found == process or bool(found and not found.started)
    except OSError:
        return True
