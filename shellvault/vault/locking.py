"""One writer at a time, between processes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from shellvault.errors import VaultError

if TYPE_CHECKING:
    from filelock import BaseFileLock

#: Nobody holds the lock while a person is asked, so waiting this long (seconds) means a stuck writer.
WAIT_SECONDS = 10.0


def lock_file(path: Path) -> "BaseFileLock":
    """A kernel lock (it ends with its process) on a file of mode 0600; re-entrant within its object."""
    from filelock import FileLock

    return FileLock(str(path), timeout=WAIT_SECONDS, mode=0o600)


@contextmanager
def held(lock: "BaseFileLock") -> Iterator[None]:
    """Holds `lock` for a block. Raises VaultError when another process keeps it, or it cannot be made."""
    from filelock import Timeout

    try:
        lock.acquire(poll_interval=0.01)
    except Timeout:
        raise VaultError(
            f"another command has been writing for {WAIT_SECONDS:g} seconds: "
            f"end the process that holds {lock.lock_file!r}"
        ) from None
    except OSError as error:
        raise VaultError(
            f"cannot lock {lock.lock_file!r} ({error.strerror or error}): "
            "make its folder writable; nothing was changed"
        ) from error
    try:
        yield
    finally:
        lock.release()
