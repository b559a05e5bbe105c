"""Files that are always whole: the old content or the new, whatever happens in between."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

#: Where a process finds its open files by their descriptors (proc(5)).
_OWN_FILES = "/proc/self/fd"

#: Stamps of a file: modification time in ns, size in bytes, inode; None for a file that is not there.
Stamp = list[int] | None


def stamp(path: str) -> Stamp:
    """The file's stamp: equal stamps mean an unchanged file."""
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
    where this user may give files away. `check` runs last and may refuse by raising. On Linux the new file has no name
    until it is whole, so a crash leaves nothing, or for a moment a whole copy. Elsewhere it has a name from the start;
    a caller that holds a lock is `alone`, and the next write takes the same name. Raises OSError and what `check`
    raises; then the old content is still there.
    """
    target = Path(os.path.realpath(path))
    new, descriptor, is_named = _new_file(target, alone)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            if owned_like is not None and sys.platform != "win32" and owned_like.exists():
                owner = owned_like.stat()
                with suppress(PermissionError):
                    os.fchown(stream.fileno(), owner.st_uid, owner.st_gid)
            os.chmod(new if is_named else stream.fileno(), mode)  # noqa: PTH101 - a descriptor
            stream.flush()
            os.fsync(stream.fileno())
            check()
            if not is_named:
                # Python follows the link in /proc only where a folder's descriptor is given; none is needed here.
                os.link(f"{_OWN_FILES}/{stream.fileno()}", new, src_dir_fd=stream.fileno())
        new.replace(target)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    sync_directory(target.parent)


def _new_file(target: Path, alone: bool) -> tuple[Path, int, bool]:
    """An empty file of mode 0600 in the folder of `target`: its name, descriptor, and whether it has the name yet.

    Raises OSError.
    """
    if alone:
        new = target.with_name(target.name + ".new")
        new.unlink(missing_ok=True)
        return (
            new,
            os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600),
            True,
        )
    if sys.platform == "linux" and os.path.isdir(_OWN_FILES):  # noqa: PTH112 - no Path is needed
        # Not every file system has files without names (open(2), O_TMPFILE).
        with suppress(OSError):
            descriptor = os.open(target.parent, os.O_WRONLY | os.O_TMPFILE, 0o600)
            return target.with_name(f".{target.name}.{os.urandom(4).hex()}"), descriptor, False
    # Here, since the agent needs only the stamps: with what it imports it would take half a MiB more.
    import tempfile

    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    return Path(name), descriptor, True


def keep_newest(folder: Path, most: int) -> None:
    """Removes the files of a folder that were written first where it has more than `most`. Raises OSError."""
    with os.scandir(folder) as entries:
        found = sorted((entry.stat(follow_symlinks=False).st_ctime_ns, entry.path) for entry in entries)
    for _, path in found[: max(0, len(found) - most)]:
        Path(path).unlink(missing_ok=True)


def sync_directory(directory: Path) -> None:
    """Syncs a folder, where a rename lives (fsync(2)); Windows has no such call on folders. Raises OSError."""
    if sys.platform == "win32":
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
