"""Locks among processes: kernel locks, which end with the process that holds them (flock(2))."""

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from shellvault import locks
from shellvault.errors import SessionError

#: Seconds to wait for a lock; its holder may be waiting for a person to type a code.
WAIT_SECONDS = 300.0
_QUIET_SECONDS = 1.0
_POLL_SECONDS = 0.05


@contextmanager
def exclusive(
    path: Path,
    purpose: str,
    tell: Callable[[str], None],
    wait_seconds: float = WAIT_SECONDS,
    waits_behind: Callable[[int], None] = lambda pid: None,
) -> Iterator[None]:
    """Holds the lock on the file `path` (mode 0600, made on demand) for a block.

    The file names the holder and its `purpose` (printable). `tell` announces a wait longer than a second;
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
        yield
    finally:
        # Removed while held: a process that opened this file before tries again, see `_acquire`.
        with suppress(OSError):
            path.unlink(missing_ok=True)
        os.close(descriptor)


def _acquire(
    path: Path, tell: Callable[[str], None], wait_seconds: float, waits_behind: Callable[[int], None]
) -> int | None:
    start, told, behind = time.monotonic(), False, 0
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
        if waited > _QUIET_SECONDS and not told:
            tell(f"waiting for {_holder(descriptor)}")
            told = True
        os.close(descriptor)
        time.sleep(_POLL_SECONDS)


def _is_still(path: Path, descriptor: int) -> bool:
    """Whether the open file is the one that `path` names: its last holder may have removed it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _holder(descriptor: int) -> str:
    found = _entry(descriptor)
    return f"process {found[1]}, which is getting {found[2]}" if found else "another command"


def _holding_process(descriptor: int) -> int:
    found = _entry(descriptor)
    return int(found[1]) if found else 0


def _entry(descriptor: int) -> re.Match[str] | None:
    text = os.pread(descriptor, 500, 0).decode("utf-8", "replace")
    return re.fullmatch(r"(\d{1,10}) (.+)", text) if text.isprintable() else None
