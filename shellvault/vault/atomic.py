"""The vault's own files, replaced whole under a lock that the caller holds."""

import os
from pathlib import Path

from shellvault.files import sync_directory


def write_atomically(path: Path, content: bytes) -> None:
    """Replaces `path` (mode 0600) by way of `<name>.new` beside it; file and folder are synced to disk.

    The caller holds a lock, so one name for the new file is enough and a crash leaves no litter. Raises
    OSError; the old content is there then.
    """
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)
