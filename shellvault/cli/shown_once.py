"""Messages shown once for each file and content that caused them."""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from shellvault import files, locations
from shellvault.errors import ShellvaultError

#: How many digests of past messages are kept.
_MOST = 1000


def is_new(what: str, path: Path, environment: Mapping[str, str]) -> bool:
    """Whether message `what` (a list in the state directory) is new for the file's present content.

    Marks it as shown. If that cannot be stored, the message is shown again.
    """
    try:
        said = f"{path}\0".encode("utf-8", "surrogateescape") + path.read_bytes()
        noted = locations.state_directory(environment) / what
    except (ShellvaultError, OSError):
        return True
    digest, shown = hashlib.sha256(said).hexdigest(), _lines(noted)
    if digest in shown:
        return False
    with suppress(OSError):
        files.replace(noted, "".join(f"{line}\n" for line in [*shown, digest][-_MOST:]).encode(), 0o600)
    return True


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return []
