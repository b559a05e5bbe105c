"""Text files that are always whole, for what shells read: the old content or the new, whatever happens in between."""

import os
import tempfile
from pathlib import Path


def replace(path: Path, text: str, mode: int) -> None:
    """Writes `text` (UTF-8, lone surrogates as the bytes they stand for) to `path` with permission bits `mode`.

    A symlink is followed, so that a file kept elsewhere stays where it is. Raises OSError, and the old content is
    there then.
    """
    target = path.resolve()
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    new = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(text.encode("utf-8", "surrogateescape"))
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        new.replace(target)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
