"""Files with keys or programs that other users can read or write."""

import os
import shlex
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from shellvault import locations
from shellvault.doctor.finding import Finding, Place
from shellvault.errors import ShellvaultError
from shellvault.importing import plaintext
from shellvault.profiles.edit import BACKUP_SUFFIX
from shellvault.vault.backends import file_path


def check(place: Place) -> Iterator[Finding]:
    """Finds readable files that may hold secrets, and writable files that name programs."""
    if sys.platform == "win32":
        return
    config = place.config_path
    secret = [plaintext.credentials_path(place.environment), config.with_name(config.name + BACKUP_SUFFIX)]
    with suppress(ShellvaultError):  # the check of the vault reports it
        secret.append(file_path(place.environment))
    for path in secret:
        if (mode := _mode(path)) is not None and mode & 0o077:
            yield _finding(path, mode, "other users can read this file, which may hold keys", mode & 0o700)
    # The config file names programs that are run.
    for path in (config, locations.config_file(place.environment)):
        if (mode := _mode(path)) is not None and mode & 0o022:
            yield _finding(
                path, mode, "other users can write this file, which names programs to run", mode & 0o755
            )


def _mode(path: Path) -> int | None:
    """The permission bits of a file that this user owns, None for any other."""
    try:
        status = path.stat()
    except OSError:
        return None
    return stat.S_IMODE(status.st_mode) if status.st_uid == os.getuid() and path.is_file() else None


def _finding(path: Path, mode: int, what: str, wanted: int) -> Finding:
    return Finding(
        "permissions",
        "danger",
        str(path),
        f"{what} (mode {mode:04o})",
        f"`chmod {wanted:o} {shlex.quote(str(path))}`",
        partial(_chmod, path, wanted),
    )


def _chmod(path: Path, mode: int) -> str:
    path.chmod(mode)
    return f"{path} has mode {mode:04o} now"
