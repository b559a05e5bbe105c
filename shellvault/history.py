"""The local record of sessions handed out and refused: one JSON object a line, without secrets.

Every door writes it by `append`: the agent for all that it serves, a command for what it does without the agent.
"""

import json
import os
import stat
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

from shellvault import locks
from shellvault.actors import Actor
from shellvault.protocol import Message

NAME, OLDER, LOCK = "history.jsonl", "history.1.jsonl", "history.lock"

#: Bytes; a record of this size becomes the older one, and a new one begins.
LIMIT = 4 << 20

#: Programs of a caller's chain that are recorded.
PROGRAMS = 12

#: `approved`: handed out because a person has allowed it, by an answer or a lease.
Answer = Literal["given", "approved", "refused"]


def entry(
    actor: Actor,
    folder: str,
    door: str,
    profile: str,
    answer: Answer,
    about: Mapping[str, str],
    *,
    until: float | None = None,
    reason: str = "",
    why: str = "",
) -> Message:
    """One line of the record.

    `door` is the form that was asked for, `about` what `sessions.about` says of the session, `until` its end (epoch
    seconds; None: it has none), `reason` what the caller gave, `why` what it was refused for.
    """
    return {
        "at": int(time.time()),
        "answer": answer,
        "actor": actor.kind,
        "program": actor.program,
        "process": actor.chain[0].pid,
        "programs": list(actor.names[:PROGRAMS]),
        "terminal": _terminal(actor.terminal),
        "folder": folder,
        "door": door,
        "profile": profile,
        "account": about.get("account", ""),
        "role": about.get("role", ""),
        "session_name": about.get("session_name", ""),
        "narrowed": about.get("narrowed", ""),
        "reason": reason,
        "why": why,
        "until": until,
    }


def folder_of(pid: int) -> str:
    """The current folder of a process; "" where it may not be read, or the system does not say."""
    try:
        return os.readlink(f"/proc/{pid}/cwd")  # noqa: PTH115 - for every session
    except OSError:
        return ""


def append(folder: Path, entries: Iterable[Message]) -> None:
    """Appends these to the record in `folder` (the state directory), each as a whole line.

    Raises OSError. What was cut off by a full disk stays a line of its own.
    """
    data = b"".join(json.dumps(each, separators=(",", ":")).encode("ascii") + b"\n" for each in entries)
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
    for name in ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):
        flags |= getattr(os, name, 0)
    descriptor = os.open(folder / NAME, flags, 0o600)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError("the history is no file")
        if sys.platform != "win32" and status.st_mode & 0o077:
            os.fchmod(descriptor, 0o600)
        if status.st_size:
            os.lseek(descriptor, -1, os.SEEK_END)
            data = data if os.read(descriptor, 1) == b"\n" else b"\n" + data
        # One call, so that lines of other processes never mix with it (write(2), O_APPEND).
        os.write(descriptor, data)
    finally:
        os.close(descriptor)
    if status.st_size + len(data) > LIMIT:
        _turn(folder)


def entries(folder: Path) -> Iterator[Message]:
    """What is recorded in `folder`, the oldest first; lines that are damaged are left out. Raises OSError."""
    for name in (OLDER, NAME):
        try:
            lines = (folder / name).read_bytes().splitlines()
        except FileNotFoundError:
            continue
        for line in lines:
            try:
                found = json.loads(line)
            except ValueError:
                continue
            if isinstance(found, dict) and isinstance(found.get("at"), int):
                yield found


def _turn(folder: Path) -> None:
    """Begins a new record, unless another process has just done so."""
    lock = None if sys.platform == "win32" else locks.open_lock(folder / LOCK)
    try:
        if (lock is None or locks.is_locked_now(lock)) and (folder / NAME).stat().st_size > LIMIT:
            (folder / NAME).replace(folder / OLDER)
    finally:
        if lock is not None:
            os.close(lock)


def _terminal(number: int) -> str:
    """The name of a terminal by its number (proc_pid_stat(5), tty_nr); "" for none."""
    major, minor = os.major(number), os.minor(number)
    # UNIX98_PTY_SLAVE_MAJOR and TTY_MAJOR of the kernel's major.h.
    if 136 <= major <= 143:
        return f"pts/{(major - 136) * 256 + minor}"
    return f"tty{minor}" if major == 4 else str(number or "")
