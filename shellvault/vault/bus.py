"""A connection to a D-Bus bus on which no message waits for ever. Imported only where a keyring on one is used."""

from typing import Any

from jeepney import Message  # type: ignore[import-untyped]
from jeepney.bus import get_bus  # type: ignore[import-untyped]
from jeepney.io.blocking import DBusConnection, prep_socket  # type: ignore[import-untyped]

from shellvault.errors import VaultError

#: Seconds for a message that no person has to see.
MESSAGE_SECONDS = 5.0


class _Connection(DBusConnection):  # type: ignore[misc]
    def send_and_get_reply(self, message: Message, *, timeout: float | None = MESSAGE_SECONDS) -> Any:
        return super().send_and_get_reply(message, timeout=timeout)


def connect(address: str) -> DBusConnection:
    """A connection to the bus at `address`, whose messages have a deadline. Raises VaultError, TimeoutError."""
    try:
        return _Connection(prep_socket(get_bus(address), timeout=MESSAGE_SECONDS))
    except TimeoutError:
        raise
    except (OSError, RuntimeError, ValueError) as error:
        raise VaultError(
            f"no D-Bus session bus answers at {address!r}: log in to a desktop, or choose another --backend"
        ) from error
