"""The Credential Manager of Windows, by keyring's own backend."""

from typing import TYPE_CHECKING

from shellvault.vault.backend import SERVICE, WINDOWS, Backend, Opening
from shellvault.vault.probe_result import ProbeResult

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

#: CREDENTIALW.CredentialBlob has CRED_MAX_CREDENTIAL_BLOB_SIZE = 2560 bytes, UTF-16 in `keyring`.
_MOST_CHARACTERS = 1200


def _open(opening: Opening) -> "KeyringBackend":
    from keyring.backends.Windows import WinVaultKeyring

    return WinVaultKeyring()  # type: ignore[no-untyped-call]


def _service_of(key: str) -> str:
    # Windows finds an item by its service alone and ignores case, so each key needs a service of its own.
    if key == key.lower():
        return f"{SERVICE}/{key}"
    # Not above: no other system needs it.
    import hashlib

    return f"{SERVICE}/{key}#{hashlib.sha256(key.encode()).hexdigest()[:16]}"


BACKEND = Backend(
    "wincred",
    lambda environment: ProbeResult(True, True, "part of the system"),
    _open,
    system=WINDOWS,
    most_characters=_MOST_CHARACTERS,
    service_of=_service_of,
    # `keyring` moves the replaced value elsewhere; the second write overwrites that copy.
    writes=2,
)
