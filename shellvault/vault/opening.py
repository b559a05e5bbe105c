"""Opens a vault by its backend's name. Only that backend is imported; keyring's discovery never runs."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from shellvault import locations
from shellvault.errors import VaultError
from shellvault.vault import backends
from shellvault.vault.backend import AskPassphrase, Opening
from shellvault.vault.backends import file

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

    from shellvault.vault.vault import Vault

#: Seconds for a call that asks no person.
MACHINE_SECONDS = 5.0
#: Seconds for a call that may show a dialog to a person.
PERSON_SECONDS = 30.0


#: Modules that every vault imports, in addition to its backend's.
_MODULES = (
    "cryptography.exceptions",
    "cryptography.hazmat.primitives.ciphers.aead",
    "cryptography.hazmat.primitives.kdf.argon2",
    "filelock",
    "keyring.errors",
    "shellvault.vault.file",
    "shellvault.vault.items",
    "shellvault.vault.operations",
    "shellvault.vault.password_store",
    "shellvault.vault.store",
    "shellvault.vault.vault",
)


def modules(environment: Mapping[str, str]) -> list[str]:
    """The modules that opening and using the vault imports; imported before threads start."""
    return [*_MODULES, *backends.modules(backends.BACKENDS, environment)]


def open_vault(
    backend: str | None,
    environment: Mapping[str, str],
    ask_passphrase: AskPassphrase,
    deadline: float = PERSON_SECONDS,
    unlock_key: bytes | None = None,
    tell: "Callable[[str], None]" = lambda message: None,
) -> "Vault":
    """The vault named by `backend`, the environment or the settings, else the first that can be used.

    Reads, asks and creates nothing yet. Sessions are stored where `backends.session_backend` says. `ask_passphrase`
    is called as `(new, problem, path)` when the encrypted file needs it. `deadline` (seconds) limits every call in
    which a keyring may ask a person. `unlock_key` is the `Vault.unlock_key` of another instance. `tell` shows a
    message to the person.
    Raises ConfigError for a bad choice, VaultError.
    """
    from shellvault.locks import writers_lock
    from shellvault.vault.items import Items
    from shellvault.vault.store import Store
    from shellvault.vault.vault import Vault

    name, _, named = backends.choose(backend, environment)
    backend_file = None if named else backends.backend_file(environment)
    names_file = locations.names_file(environment)
    lock = writers_lock(names_file.with_name("vault.lock"))

    opening = Opening(environment, deadline, ask_passphrase, unlock_key, tell)

    def store(name: str, setting: str) -> Store:
        record = backends.RECORDS[name]
        if record is file.BACKEND:
            keyring = file.open_file(opening)
            return Store(Items(name, keyring, None, setting), lock, keyring)
        seconds: float | None = deadline if backends.can_ask(environment) else min(deadline, MACHINE_SECONDS)
        items = Items(
            name,
            _keyring(name, opening),
            None if record.bounds_itself else seconds,
            setting,
            has_dialog=record.asks != "nothing" and backends.can_ask(environment),
        )
        return Store(items, lock)

    place = backends.session_backend(environment)
    return Vault(
        store(name, "--backend"),
        names_file,
        backend_file,
        None if place in (None, "agent", "vault", name) else store(place, "session_backend"),
        keeps_sessions=place != "agent",
        keeps_role_sessions=place not in (None, "agent"),
        lasts=backends.RECORDS[name].lasts(environment),
        tell=tell,
    )


def _keyring(name: str, opening: Opening) -> "KeyringBackend":
    only = backends.foreign_to(name)
    if only:
        raise VaultError(f"the vault {name} exists only on {only}: choose another with --backend")
    try:
        return backends.RECORDS[name].open(opening)
    except ImportError as error:
        raise VaultError(
            f"{name} needs the Python package {error.name}: install it, or choose another with --backend"
        ) from error
