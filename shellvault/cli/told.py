"""What is said once: for each file and content that gave the reason."""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from shellvault import files, locations
from shellvault.errors import ShellvaultError

#: Digests that are kept of what was said.
_MOST = 1000


def is_new(what: str, path: Path, environment: Mapping[str, str]) -> bool:
    """Whether `what` (the name of a list in the state directory) was not said yet of the file as it is now.

    From then on it was. Where that cannot be remembered it is said again.
    """
    try:
        said = f"{path}\0".encode("utf-8", "surrogateescape") + path.read_bytes()
        noted = locations.state_directory(environment) / what
    except (ShellvaultError, OSError):
        return True
    digest, told = hashlib.sha256(said).hexdigest(), _lines(noted)
    if digest in told:
        return False
    with suppress(OSError):
        files.replace(noted, "".join(f"{line}\n" for line in [*told, digest][-_MOST:]).encode(), 0o600)
    return True


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return []
