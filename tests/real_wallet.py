"""A real KWallet (kwalletd5) on a D-Bus of its own, with nothing of the user's in reach."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.real_keyring import PATIENCE, PrivateDaemon, need_programs, private_bus, running, wait_for_owner

#: What pam_kwallet hands over when somebody logs in: a hash of 56 bytes, the wallet's password.
_HASH = bytes(range(56))

WALLET = "kdewallet"


class PrivateWallet(PrivateDaemon):
    """A running KWallet, and what can be done to it."""

    def lock(self) -> None:
        """Closes the wallet that is used by default."""
        self.call("close", "sb", WALLET, True)

    def open(self, wallet: str = WALLET) -> None:
        """Opens a wallet as pam_kwallet does when somebody logs in, and makes it first if need be."""
        self.call("pamOpen", "sayi", wallet, _HASH, 0)
        deadline = time.monotonic() + 10
        while not self.call("isOpen", "s", wallet):
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def write(self, wallet: str, folder: str, entries: dict[str, bytes]) -> None:
        """Puts entries into a folder, as programs with keys of their own do."""
        handle = self.call("open", "sxs", wallet, 0, folder)
        for name, data in entries.items():
            assert self.call("writeEntry", "issays", handle, folder, name, data, folder) == 0

    def call(self, method: str, signature: str, *body: Any) -> Any:
        from jeepney import DBusAddress, new_method_call
        from jeepney.io.blocking import open_dbus_connection

        address = DBusAddress("/modules/kwalletd5", "org.kde.kwalletd5", "org.kde.KWallet")
        with open_dbus_connection(self.environment["DBUS_SESSION_BUS_ADDRESS"]) as connection:
            message = new_method_call(address, method, signature, body)
            reply = connection.send_and_get_reply(message, timeout=10)
        return reply.body[0] if reply.body else None


@contextmanager
def private_wallet(folder: Path, opened: bool = True) -> Iterator[PrivateWallet]:
    """Starts dbus-daemon and kwalletd5 with their files in `folder`; both are gone afterwards.

    The environment has no display, and the daemon draws its dialogs nowhere. `opened=False`: there is no wallet yet.
    """
    need_programs("kwalletd5")
    with private_bus(folder) as environment, _daemon(environment) as daemon:
        wallet = PrivateWallet(environment, daemon)
        if opened:
            wallet.open()
        yield wallet


@contextmanager
def _daemon(environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A kwalletd5 that serves. It sometimes never gets its name on a busy machine, so it is started again once."""
    with ExitStack() as stack:
        for patience in (10, PATIENCE):
            daemon = stack.enter_context(
                running(["kwalletd5"], environment | {"QT_QPA_PLATFORM": "offscreen"})
            )
            try:
                wait_for_owner(environment, "org.kde.kwalletd5", patience)
            except TimeoutError:
                if patience == PATIENCE:
                    raise
                daemon.kill()
            else:
                break
        yield daemon
