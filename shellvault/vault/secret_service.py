"""The freedesktop Secret Service (gnome-keyring, KeePassXC, KDE) through `keyring`, with deadlines.

Imported only when it is probed or chosen. Unlike keyring's own class, it takes the bus from the given environment,
has a deadline for every message, and fails at once if the collection is locked and no dialog can appear.
"""

import re
import time
from contextlib import closing

import secretstorage
from jeepney.io.blocking import DBusConnection  # type: ignore[import-untyped]
from keyring.backends.SecretService import Keyring
from keyring.errors import KeyringLocked
from secretstorage.dhcrypto import Session
from secretstorage.util import add_match_rules, open_session

from shellvault.errors import VaultError
from shellvault.vault import bus, kwallet
from shellvault.vault.probe_result import ProbeResult

#: Seconds between looks for the default collection: gnome-keyring loses sight of it while it reads its folder again.
_UNTIL_SEEN = (0.05, 0.1, 0.2, 0.0)


class SecretServiceKeyring(Keyring):
    """One collection on one bus."""

    appid = "shellvault"

    def __init__(self, address: str, unlock_seconds: float | None, collection: str | None = None) -> None:
        """`address`: of a D-Bus bus; `unlock_seconds`: deadline of the unlock dialog, None: no dialog is possible.

        `collection`: its name, None for the default one.
        """
        self._address = address
        self._unlock_seconds = unlock_seconds
        self._name = collection

    def get_preferred_collection(self) -> secretstorage.Collection:
        """The collection, unlocked. Raises KeyringLocked, VaultError, OSError and D-Bus errors."""
        connection = connect(self._address)
        try:
            collection = _collection(connection, self._name) or self._made(connection)
            if collection.is_locked():
                if self._unlock_seconds is None:
                    raise KeyringLocked
                collection.unlock(timeout=self._unlock_seconds)
                if collection.is_locked():
                    raise KeyringLocked
        except BaseException:
            connection.close()
            raise
        return collection

    def names(self, service: str) -> list[str]:
        """The user names of a service's items. Raises as `get_preferred_collection`."""
        collection = self.get_preferred_collection()
        with closing(collection.connection):
            found = collection.search_items({"service": service, "application": self.appid})
            return [item.get_attributes().get("username", "") for item in found]

    def _made(self, connection: DBusConnection) -> secretstorage.Collection:
        if self._unlock_seconds is None:
            remedy = "make it in the desktop's keyring program" if self._name else "log in to a desktop once"
            raise VaultError(
                f"the keyring (secret-service) has no {_title(self._name)} yet: {remedy}, "
                "or choose another vault with --backend"
            )
        label, alias = (self._name, "") if self._name else ("Default", "default")
        try:
            return secretstorage.create_collection(connection, label, alias)
        except secretstorage.PromptDismissedException:
            raise KeyringLocked from None


def presence(address: str, can_ask: bool, name: str | None = None) -> ProbeResult:
    """Whether the service on the bus at `address` can hold the vault. Unlocks and creates nothing.

    Raises VaultError without such a bus, TimeoutError and D-Bus errors.
    """
    with closing(connect(address)) as connection:
        if not secretstorage.check_service_availability(connection):
            return ProbeResult(False, False, "no Secret Service runs on the session bus")
        if name is None and kwallet.is_behind(connection, "org.freedesktop.secrets"):
            # The direct way distinguishes open and closed wallets, and works without libqca.
            return ProbeResult(False, False, "KWallet provides it: use kwallet")
        no_display = "" if can_ask else " and there is no display to ask on"
        collection = _collection(connection, name)
        if collection is None:
            return ProbeResult(can_ask, can_ask, f"it has no {_title(name)} yet{no_display}")
        locked = collection.is_locked()
    if locked:
        return ProbeResult(True, can_ask, f"its {_title(name)} is locked{no_display}")
    return ProbeResult(True, True, f"its {_title(name)} is unlocked")


class OtherCollection:
    """Another tool's collection. All its secrets are read on one connection, which stays open."""

    def __init__(self, address: str, name: str) -> None:
        """`address`: of a D-Bus bus; `name`: the collection's label or object name."""
        self._address = address
        self._name = name
        self._items: dict[str, secretstorage.Item] = {}
        self._session: Session | None = None

    def keys(self) -> list[str]:
        """The keys of its items; empty if there is no such collection. Raises VaultError if locked, D-Bus errors."""
        with closing(connect(self._address)) as connection:
            return list(self._items_on(connection))

    def secret(self, key: str) -> bytes:
        """The secret of an item. Raises VaultError if it is missing or locked, D-Bus errors."""
        if self._session is None:
            connection = connect(self._address)
            self._items = self._items_on(connection)
            self._session = open_session(connection)
        item = self._items.get(key)
        if item is None:
            raise VaultError(
                f"the collection {self._name} has no item {key!r} any more: run the command again"
            )
        item.session = self._session
        try:
            return bytes(item.get_secret())
        except secretstorage.LockedException:
            raise self._locked() from None

    def _items_on(self, connection: DBusConnection) -> dict[str, secretstorage.Item]:
        collection = _collection(connection, self._name)
        if collection is None:
            return {}
        if collection.is_locked():
            raise self._locked()
        found: dict[str, secretstorage.Item] = {}
        for item in collection.get_all_items():
            # Of several with one key, the other tools take the first.
            found.setdefault(_key_of(item), item)
        return found

    def _locked(self) -> VaultError:
        return VaultError(
            f"the collection {self._name} is locked: unlock it in the desktop's keyring program"
        )


def _collection(connection: DBusConnection, name: str | None) -> secretstorage.Collection | None:
    """The collection with this label or object name (no name: the default one), or None."""
    if name is None:
        for pause in _UNTIL_SEEN:
            try:
                return secretstorage.get_collection_by_alias(connection, "default")
            except secretstorage.ItemNotFoundException:
                time.sleep(pause)
        return None
    for collection in secretstorage.get_all_collections(connection):
        if name in (collection.get_label(), _decoded(collection.collection_path.rpartition("/")[2])):
            return collection
    return None


def _decoded(word: str) -> str:
    """Decodes the last word of an object path: `_` and two hex digits encode a byte that D-Bus forbids there."""
    data = re.sub(b"_([0-9a-f]{2})", lambda found: bytes.fromhex(found[1].decode()), word.encode())
    return data.decode("utf-8", "replace")


def _title(name: str | None) -> str:
    return f"collection {name!a}" if name else "default collection"


def _key_of(item: secretstorage.Item) -> str:
    """An item's key: its attribute `profile`, as the other tools' keyring library has it; the label is the same."""
    return str(item.get_attributes().get("profile") or item.get_label())


def connect(address: str) -> DBusConnection:
    """A connection for the functions of this module. Raises VaultError, TimeoutError."""
    connection = bus.connect(address)
    add_match_rules(connection)
    return connection
