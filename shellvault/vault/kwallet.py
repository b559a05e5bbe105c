"""KDE's wallet, over D-Bus and with deadlines. Imported only when it is probed or chosen.

keyring's own backend needs libdbus and a compiler, does not know kwalletd6, has no deadlines, and reports a refused
write as done. Passwords are stored where it puts them: the folder is the service, the entry is the user name.
Both versions have the same interface, org.kde.KWallet.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

from jeepney import DBusAddress, DBusErrorResponse, MessageType, new_method_call  # type: ignore[import-untyped]
from jeepney.bus_messages import message_bus  # type: ignore[import-untyped]
from jeepney.io.blocking import DBusConnection, Proxy  # type: ignore[import-untyped]
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError, PasswordSetError

from shellvault.errors import VaultError
from shellvault.vault.bus import MESSAGE_SECONDS, connect
from shellvault.vault.probe_result import ProbeResult

#: Bus name and object path of each version of the service, the newer one first.
_SERVICES = (("org.kde.kwalletd6", "/modules/kwalletd6"), ("org.kde.kwalletd5", "/modules/kwalletd5"))

#: The wallet shows this name as the program that opens it.
_WHO = "shellvault"


class _Service(NamedTuple):
    connection: DBusConnection
    address: DBusAddress
    is_running: bool

    def call(self, method: str, signature: str = "", *body: Any, seconds: float = MESSAGE_SECONDS) -> Any:
        """The value that a method returns, or None. Raises TimeoutError, DBusErrorResponse, OSError."""
        message = new_method_call(self.address, method, signature, body)
        reply = self.connection.send_and_get_reply(message, timeout=seconds)
        if reply.header.message_type is MessageType.error:
            raise DBusErrorResponse(reply)
        return reply.body[0] if reply.body else None


class _Wallet(NamedTuple):
    service: _Service
    handle: int

    def call(self, method: str, signature: str, *body: Any) -> Any:
        return self.service.call(method, f"i{signature}s", self.handle, *body, _WHO)


class KWalletKeyring(KeyringBackend):
    """Passwords in a wallet, by default KDE's wallet for network passwords.

    The connection stays open: a wallet may close with its last program, and then ask again for the next.
    """

    def __init__(self, address: str, unlock_seconds: float | None, wallet: str | None = None) -> None:
        """`address`: of a D-Bus bus; `unlock_seconds`: deadline of the wallet's dialog, None: no dialog is possible."""
        self._address = address
        self._unlock_seconds = unlock_seconds
        self._name = wallet
        self._opened: _Wallet | None = None

    def get_password(self, service: str, username: str) -> str | None:
        """The password, None when there is none. Raises KeyringLocked, VaultError, OSError and D-Bus errors."""
        with self._wallet() as wallet:
            if not wallet.call("hasEntry", "ss", service, username):
                return None
            return str(wallet.call("readPassword", "ss", service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        """Stores a password in place of an older one, and syncs. Raises as `get_password`, PasswordSetError."""
        with self._wallet() as wallet:
            if wallet.call("writePassword", "sss", service, username, password) != 0:
                raise PasswordSetError("the wallet refuses to store it")
            wallet.call("sync", "")

    def delete_password(self, service: str, username: str) -> None:
        """Deletes a password. Raises as `get_password`, PasswordDeleteError when there is none."""
        with self._wallet() as wallet:
            if wallet.call("removeEntry", "ss", service, username) != 0:
                raise PasswordDeleteError("there is no such item")
            wallet.call("sync", "")

    def names(self, folder: str) -> list[str]:
        """The entries of another program's folder. Raises as `get_password`."""
        with self._wallet() as wallet:
            return list(wallet.call("entryList", "s", folder))

    def data(self, folder: str, name: str) -> bytes:
        """An entry of any kind in another program's folder; empty if there is none. Raises as `get_password`."""
        with self._wallet() as wallet:
            return bytes(wallet.call("readEntry", "ss", folder, name))

    def close(self) -> None:
        """Closes the connection."""
        if self._opened is not None:
            self._opened.service.connection.close()
            self._opened = None

    @contextmanager
    def _wallet(self) -> Iterator[_Wallet]:
        """The open wallet. Drops a connection that has failed."""
        try:
            if self._opened is None or not self._opened.service.call("isOpen", "i", self._opened.handle):
                self.close()
                self._opened = self._open()
            yield self._opened
        except (OSError, DBusErrorResponse):
            self.close()
            raise

    def _open(self) -> _Wallet:
        connection = connect(self._address)
        try:
            service = _running(connection)
            name = self._name or service.call("networkWallet")
            if self._unlock_seconds is None and not service.call("isOpen", "s", name):
                raise KeyringLocked
            seconds = MESSAGE_SECONDS if self._unlock_seconds is None else self._unlock_seconds
            handle = service.call("open", "sxs", name, 0, _WHO, seconds=seconds)
            if handle < 0:
                raise KeyringLocked
        except BaseException:
            connection.close()
            raise
        return _Wallet(service, handle)


def presence(address: str, can_ask: bool) -> ProbeResult:
    """Whether the wallet on the bus at `address` can be the vault. Opens and creates nothing.

    Raises VaultError without such a bus, TimeoutError, OSError and D-Bus errors.
    """
    no_display = "" if can_ask else " and there is no display to ask on"
    with closing(connect(address)) as connection:
        service = _find(connection)
        if service is None:
            return ProbeResult(False, False, "no KWallet runs on the session bus")
        if not (service.is_running or can_ask):
            return ProbeResult(False, False, f"KWallet does not run{no_display}")
        name = service.call("networkWallet")
        if service.call("isOpen", "s", name):
            return ProbeResult(True, True, f"its wallet {name} is open")
        if name not in service.call("wallets"):
            return ProbeResult(can_ask, can_ask, f"it has no wallet {name} yet{no_display}")
    return ProbeResult(True, can_ask, f"its wallet {name} is closed{no_display}")


def wallets(address: str) -> list[str]:
    """The wallets of a running KWallet; empty if none runs. Raises as `presence`."""
    with closing(connect(address)) as connection:
        service = _find(connection)
        return list(service.call("wallets")) if service and service.is_running else []


def is_behind(connection: DBusConnection, name: str) -> bool:
    """Whether KWallet also owns this bus name. Raises as `presence`."""
    bus = Proxy(message_bus, connection)
    [running] = bus.ListNames()
    if name not in running:
        return False
    owner = bus.GetNameOwner(name)
    return any(own in running and bus.GetNameOwner(own) == owner for own, _ in _SERVICES)


def _running(connection: DBusConnection) -> _Service:
    service = _find(connection)
    if service is None:
        raise VaultError("no KWallet runs on the session bus: choose another vault with --backend")
    return service


def _find(connection: DBusConnection) -> _Service | None:
    """The running service, else one that the bus can start."""
    bus = Proxy(message_bus, connection)
    [running], [startable] = bus.ListNames(), bus.ListActivatableNames()
    for names in (running, startable):
        for name, path in _SERVICES:
            if name in names:
                return _Service(connection, DBusAddress(path, name, "org.kde.KWallet"), names is running)
    return None
