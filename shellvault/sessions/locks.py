"""One at a time, among processes: a kernel lock, which ends with its holder however that ends (flock(2))."""

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
    path: Path, purpose: str, tell: Callable[[str], None], wait_seconds: float = WAIT_SECONDS
) -> Iterator[None]:
    """Holds the lock on the file `path` (mode 0600, made on demand) for a block.

    The file says who holds it and for what `purpose` (printable). Who has to wait longer than a second is
    told by `tell`. Where no lock can be made (a full or read-only disk), none is held: that costs a second call, or
    a person a second code. Raises SessionError when the lock is not free within `wait_seconds`.
    """
    descriptor = _acquire(path, tell, wait_seconds)
    if descriptor is None:
        yield
        return
    try:
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()} {purpose}".encode(), 0)
        yield
    finally:
        # Removed while it is held: whoever opened this file before tries again, see `_acquire`.
        with suppress(OSError):
            path.unlink(missing_ok=True)
        os.close(descriptor)


def _acquire(path: Path, tell: Callable[[str], None], wait_seconds: float) -> int | None:
    start, told = time.monotonic(), False
    while True:
        try:
            descriptor = locks.open_lock(path)
        except OSError:
            return None
        if locks.is_locked_now(descriptor):
            if _is_still(path, descriptor):
                return descriptor
            os.close(descriptor)
            continue
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
    text = os.pread(descriptor, 500, 0).decode("utf-8", "replace")
    found = re.fullmatch(r"(\d{1,10}) (.+)", text)
    if not found or not text.isprintable():
        return "another command"
    return f"process {found[1]}, which is getting {found[2]}"
