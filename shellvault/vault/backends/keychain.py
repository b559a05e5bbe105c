"""The Keychain of macOS, by keyring's own backend."""

from typing import TYPE_CHECKING

from shellvault.vault.backend import MACOS, Backend, Opening
from shellvault.vault.probe_result import ProbeResult

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend


def _open(opening: Opening) -> "KeyringBackend":
    from keyring.backends.macOS import Keyring

    return Keyring()  # type: ignore[no-untyped-call]


BACKEND = Backend(
    "keychain",
    lambda environment: ProbeResult(True, True, "part of the system"),
    _open,
    system=MACOS,
    asks="anywhere",
    how_to_unlock="run `security unlock-keychain`",
)
