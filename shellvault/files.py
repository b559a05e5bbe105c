"""Files that are always whole: the old content or the new, whatever happens in between."""

import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

#: Stamps of a file: modification time in ns, size in bytes, inode; None for a file that is not there.
Stamp = list[int] | None


def stamp(path: str) -> Stamp:
    """The file's stamp: two equal ones mean that it has not been changed in between."""
    try:
        status = os.stat(path)  # noqa: PTH116 - a Path object would cost more than the call
    except (OSError, ValueError):
        return None
    return [status.st_mtime_ns, status.st_size, status.st_ino]


def replace(
    path: Path,
    content: bytes,
    mode: int,
    *,
    alone: bool = False,
    owned_like: Path | None = None,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Writes `content` to `path` with permission bits `mode`; file and folder are synced to disk.

    A symlink is followed, so that a file kept elsewhere stays where it is. The new file gets the owner of `owned_like`
    where this user may give files away; `check` comes last and may refuse by raising. Whoever holds a lock is
    `alone`: one name for the new file is enough then, and a crash leaves no litter. Raises OSError, and whatever
    `check` raises; the old content is there then.
    """
    target = Path(os.path.realpath(path))
    new, descriptor = _new_file(target, alone)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            if owned_like is not None and sys.platform != "win32" and owned_like.exists():
                owner = owned_like.stat()
                with suppress(PermissionError):
                    os.fchown(stream.fileno(), owner.st_uid, owner.st_gid)
            new.chmod(mode)
            stream.flush()
            os.fsync(stream.fileno())
        check()
        new.replace(target)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    sync_directory(target.parent)


def _new_file(target: Path, alone: bool) -> tuple[Path, int]:
    """An empty file of mode 0600 beside `target`, and its descriptor. Raises OSError."""
    if not alone:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        return Path(name), descriptor
    new = target.with_name(target.name + ".new")
    new.unlink(missing_ok=True)
    return new, os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)


def sync_directory(directory: Path) -> None:
    """Syncs a folder, where a rename lives (fsync(2)); Windows has no such call on folders. Raises OSError."""
    if sys.platform == "win32":
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
