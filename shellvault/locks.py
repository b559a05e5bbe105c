"""Locks between processes, which the kernel releases however their holder ends.

The agent, and commands that wait for a person, use flock(2): it needs only the standard library, and the file can
name its holder. Writers of our files use filelock, which also runs on Windows and is re-entrant.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from shellvault.errors import ShellvaultError

if TYPE_CHECKING:
    from filelock import BaseFileLock

#: Seconds. No command holds a writer's lock while it asks a person, so a longer wait means a stuck writer.
WAIT_SECONDS = 10.0


def open_lock(path: Path) -> int:
    """A descriptor of the lock file, which is made on demand, mode 0600. Raises OSError."""
    # O_NONBLOCK: a FIFO of that name must not block us.
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)


def is_locked_now(descriptor: int) -> bool:
    """Locks the open file until it is closed, and says whether that was possible at once. Raises OSError."""
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def writers_lock(path: Path) -> "BaseFileLock":
    """The lock for writers of a file of ours, mode 0600; re-entrant within its object."""
    from filelock import FileLock

    return FileLock(str(path), timeout=WAIT_SECONDS, mode=0o600)


@contextmanager
def held(lock: "BaseFileLock", error: type[ShellvaultError], *, is_needed: bool = True) -> Iterator[None]:
    """Holds a writers' lock for a block.

    Raises `error` when another process keeps it, or it cannot be made; where it is not needed the block then runs
    without it.
    """
    from filelock import Timeout

    try:
        lock.acquire(poll_interval=0.01)
    except Timeout:
        raise error(
            f"another command has been writing for {WAIT_SECONDS:g} seconds: "
            f"end the process that holds {lock.lock_file!r}"
        ) from None
    except (OSError, NotImplementedError) as problem:  # the latter: a file system without locks
        if is_needed:
            raise error(
                f"cannot lock {lock.lock_file!r} ({getattr(problem, 'strerror', None) or problem}): "
                "make its folder writable"
            ) from problem
    try:
        yield
    finally:
        lock.release()
