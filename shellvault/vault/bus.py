"""A D-Bus connection with a deadline for every message. Imported only for a keyring on D-Bus."""

from typing import Any

from jeepney import Message  # type: ignore[import-untyped]
from jeepney.io.blocking import DBusConnection, prep_socket  # type: ignore[import-untyped]

from shellvault.errors import VaultError
from shellvault.vault import bus_address

#: Seconds for a message that asks no person.
MESSAGE_SECONDS = 5.0


class _Connection(DBusConnection):  # type: ignore[misc]
    def send_and_get_reply(self, message: Message, *, timeout: float | None = MESSAGE_SECONDS) -> Any:
        return super().send_and_get_reply(message, timeout=timeout)


def connect(address: str) -> DBusConnection:
    """A connection to the bus at `address`. Raises VaultError, TimeoutError."""
    try:
        return _Connection(open_socket(address))
    except TimeoutError:
        raise
    except (OSError, RuntimeError, ValueError) as error:
        raise VaultError(
            f"no D-Bus session bus answers at {address!r}: log in to a desktop, or choose another --backend"
        ) from error


def open_socket(address: str, *, enable_fds: bool = False) -> Any:
    """A socket to the first address at which a bus answers. Raises OSError, TimeoutError."""
    problem: OSError = OSError("it names no Unix socket")
    for path in bus_address.sockets(address):
        try:
            return prep_socket(path, enable_fds=enable_fds, timeout=MESSAGE_SECONDS)
        except TimeoutError:
            raise
        except OSError as error:
            problem = error
    raise problem
