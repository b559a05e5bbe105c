"""Locks among processes: kernel locks, which end with the process that holds them (flock(2))."""

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from shellvault import locks
from shellvault.errors import SessionError

#: Seconds to wait for a lock; its holder may be waiting for a person to type a code.
WAIT_SECONDS = 300.0
_QUIET_SECONDS = 1.0
_POLL_SECONDS = 0.05
#: Bytes of a lock's file that are read: a process, its purpose, and a line with a link.
_LONGEST = 8192

#: The descriptors of the locks that this thread holds.
_held: ContextVar[tuple[int, ...]] = ContextVar("held", default=())


@contextmanager
def exclusive(
    path: Path,
    purpose: str,
    tell: Callable[[str], None],
    wait_seconds: float = WAIT_SECONDS,
    waits_behind: Callable[[int], None] = lambda pid: None,
) -> Iterator[None]:
    """Holds the lock on the file `path` (mode 0600, made on demand) for a block.

    The file names the holder and its `purpose` (printable). `tell` announces a wait longer than a second, and what the
    holder notes meanwhile (`noting`);
    `waits_behind` gets the holder's process id at once, and 0 after the wait. Where no lock can be made (a full or
    read-only disk), none is held: that costs a second call, or a person a second code. Raises
    SessionError when the lock is not free within `wait_seconds`.
    """
    descriptor = _acquire(path, tell, wait_seconds, waits_behind)
    if descriptor is None:
        yield
        return
    try:
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()} {purpose}".encode(), 0)
        before = _held.set((*_held.get(), descriptor))
        try:
            yield
        finally:
            _held.reset(before)
    finally:
        # Removed while held: a process that opened this file before tries again, see `_acquire`.
        with suppress(OSError):
            path.unlink(missing_ok=True)
        os.close(descriptor)


@contextmanager
def noting(what: str) -> Iterator[None]:
    """Shows the processes that wait for this thread's locks, during the block, what it does now: `waits for …`."""
    _note(f"\n{what}\n" if what.isprintable() else "")
    try:
        yield
    finally:
        _note("")


def are_held() -> bool:
    """Whether this thread holds a lock; it has none where none can be made."""
    return bool(_held.get())


def _note(text: str) -> None:
    for descriptor in _held.get():
        with suppress(OSError):
            end = len(os.pread(descriptor, _LONGEST, 0).partition(b"\n")[0])
            os.ftruncate(descriptor, end)
            os.pwrite(descriptor, text.encode(), end)


def _acquire(
    path: Path, tell: Callable[[str], None], wait_seconds: float, waits_behind: Callable[[int], None]
) -> int | None:
    start, behind = time.monotonic(), 0
    shown: set[str] = set()
    while True:
        try:
            descriptor = locks.open_lock(path)
        except OSError:
            return None
        if locks.is_locked_now(descriptor):
            if _is_still(path, descriptor):
                if behind:
                    waits_behind(0)
                return descriptor
            os.close(descriptor)
            continue
        if not behind and (behind := _holding_process(descriptor)):
            waits_behind(behind)
        waited = time.monotonic() - start
        if waited > wait_seconds:
            holder = _holder(descriptor)
            os.close(descriptor)
            raise SessionError(f"gave up waiting for {holder}: end it, then try again")
        if waited > _QUIET_SECONDS and (now := _what_now(descriptor)) not in shown:
            tell(now)
            shown.add(now)
            # For the processes that wait for us.
            _note(f"\nis behind {now}\n" if now.startswith("process ") else "")
        os.close(descriptor)
        time.sleep(_POLL_SECONDS)


def _is_still(path: Path, descriptor: int) -> bool:
    """Whether the open file is the one that `path` names: its last holder may have removed it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _what_now(descriptor: int) -> str:
    """What is shown of the wait: what its holder notes, else that there is a wait."""
    pid, _, note = _entry(descriptor)
    return f"process {pid} {note}" if note else f"waiting for {_holder(descriptor)}"


def _holder(descriptor: int) -> str:
    pid, purpose, _ = _entry(descriptor)
    return f"process {pid}, which is getting {purpose}" if pid else "another command"


def _holding_process(descriptor: int) -> int:
    return _entry(descriptor)[0]


def _entry(descriptor: int) -> tuple[int, str, str]:
    """The process, its purpose and its note; 0 and "" where the file has none, or is being written."""
    text = os.pread(descriptor, _LONGEST, 0).decode("utf-8", "replace")
    first, _, rest = text.partition("\n")
    found = re.fullmatch(r"(\d{1,10}) (.{1,500})", first)
    if not found or not first.isprintable():
        return 0, "", ""
    note = rest.removesuffix("\n")
    return int(found[1]), found[2], note if rest.endswith("\n") and note.isprintable() else ""
