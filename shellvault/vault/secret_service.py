"""The freedesktop Secret Service (gnome-keyring, KeePassXC, KDE) through `keyring`, with deadlines.

Imported only when it is probed or chosen. What differs from keyring's own class: the bus comes from the given
environment, no message waits for ever, and a locked collection fails at once where no dialog can appear.
"""

from contextlib import closing
from typing import Any

import secretstorage
from jeepney import Message  # type: ignore[import-untyped]
from jeepney.bus import get_bus  # type: ignore[import-untyped]
from jeepney.io.blocking import DBusConnection, prep_socket  # type: ignore[import-untyped]
from keyring.backends.SecretService import Keyring
from keyring.errors import KeyringLocked
from secretstorage.util import add_match_rules

from shellvault.errors import VaultError
from shellvault.vault.presence import Presence

#: Seconds for a message that no person has to see.
MESSAGE_SECONDS = 5.0


class _Connection(DBusConnection):  # type: ignore[misc]
    def send_and_get_reply(self, message: Message, *, timeout: float | None = MESSAGE_SECONDS) -> Any:
        return super().send_and_get_reply(message, timeout=timeout)


class SecretServiceKeyring(Keyring):
    """The default collection on one bus."""

    appid = "shellvault"

    def __init__(self, address: str, unlock_seconds: float | None) -> None:
        """`address`: of a D-Bus bus; `unlock_seconds` bounds the unlock dialog, None: there can be none."""
        self._address = address
        self._unlock_seconds = unlock_seconds

    def get_preferred_collection(self) -> secretstorage.Collection:
        """The default collection, unlocked. Raises KeyringLocked, VaultError, OSError and D-Bus errors."""
        connection = connect(self._address)
        try:
            collection = self._default_collection(connection)
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

    def _default_collection(self, connection: DBusConnection) -> secretstorage.Collection:
        try:
            return secretstorage.get_collection_by_alias(connection, "default")
        except secretstorage.ItemNotFoundException:
            if self._unlock_seconds is None:
                raise VaultError(
                    "the keyring (secret-service) has no default collection yet: log in to a desktop once, "
                    "or choose another vault with --backend"
                ) from None
        try:
            return secretstorage.create_collection(connection, "Default", "default")
        except secretstorage.PromptDismissedException:
            raise KeyringLocked from None


def presence(address: str, can_ask: bool) -> Presence:
    """Whether the service on the bus at `address` can hold a vault. Unlocks and creates nothing.

    Raises VaultError where there is no such bus, TimeoutError and D-Bus errors.
    """
    with closing(connect(address)) as connection:
        if not secretstorage.check_service_availability(connection):
            return Presence(False, False, "no Secret Service runs on the session bus")
        no_display = "" if can_ask else " and there is no display to ask on"
        try:
            locked = secretstorage.get_collection_by_alias(connection, "default").is_locked()
        except secretstorage.ItemNotFoundException:
            return Presence(can_ask, can_ask, f"it has no default collection yet{no_display}")
    if locked:
        return Presence(True, can_ask, f"its default collection is locked{no_display}")
    return Presence(True, True, "its default collection is unlocked")


def keys_in_collection(connection: DBusConnection, label: str) -> list[str]:
    """The items of a collection that another tool keeps, by the key that they are found by; none without one.

    Raises VaultError when it is locked, D-Bus errors.
    """
    return [_key_of(item) for item in _items(connection, label)]


def secret_in_collection(connection: DBusConnection, label: str, key: str) -> bytes:
    """The secret of an item in such a collection. Raises VaultError when it is not there, D-Bus errors."""
    for item in _items(connection, label):
        if _key_of(item) == key:
            return bytes(item.get_secret())
    raise VaultError(f"the collection {label} has no item {key!r} any more: look again")


def _items(connection: DBusConnection, label: str) -> list[secretstorage.Item]:
    for collection in secretstorage.get_all_collections(connection):
        if collection.get_label() == label:
            if collection.is_locked():
                raise VaultError(
                    f"the collection {label} is locked: unlock it in the desktop's keyring program"
                )
            return list(collection.get_all_items())
    return []


def _key_of(item: secretstorage.Item) -> str:
    """The keyring library of other tools finds an item by its attribute `profile`; the label says the same."""
    return str(item.get_attributes().get("profile") or item.get_label())


def connect(address: str) -> DBusConnection:
    """A connection to the bus at `address`, whose messages have a deadline. Raises VaultError, TimeoutError."""
    try:
        connection = _Connection(prep_socket(get_bus(address), timeout=MESSAGE_SECONDS))
    except TimeoutError:
        raise
    except (OSError, RuntimeError, ValueError) as error:
        raise VaultError(
            f"no D-Bus session bus answers at {address!r}: log in to a desktop, or choose another --backend"
        ) from error
    add_match_rules(connection)
    return connection
