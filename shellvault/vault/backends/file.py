"""The encrypted file, available on every system."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from shellvault import locations, myself
from shellvault.vault.backend import Backend, Opening
from shellvault.vault.probe_result import ProbeResult

if TYPE_CHECKING:
    from shellvault.vault.file import FileKeyring

FILE_NAME = "vault.shellvault"


def path(environment: Mapping[str, str]) -> Path:
    """The path of the encrypted file. Raises ShellvaultError."""
    return locations.data_directory(environment) / FILE_NAME


def open_file(opening: Opening) -> "FileKeyring":
    """The file's keyring. Reads and asks nothing yet. Raises ShellvaultError."""
    from shellvault.vault.file import FileKeyring

    environment = opening.environment
    return FileKeyring(
        path(environment),
        opening.ask_passphrase,
        myself.passphrase(environment),
        opening.unlock_key,
        tell=opening.tell,
        writes_file=locations.state_directory(environment) / "vault-writes.json",
    )


def _probe(environment: Mapping[str, str]) -> ProbeResult:
    found = path(environment)
    return ProbeResult(True, True, f"{found}" if found.exists() else f"{found} (will be made)")


BACKEND = Backend("file", _probe, open_file, bounds_itself=True)
