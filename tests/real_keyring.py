"""A real gnome-keyring on a D-Bus of its own, with nothing of the user's in reach."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

#: No service folder: the bus starts nothing by itself, so no second daemon can outlive it.
_BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={socket}</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""

_PASSWORD = "keyring password"

#: Seconds for a daemon to start on a busy machine.
PATIENCE = 30


@dataclass
class PrivateDaemon:
    """A running daemon on a bus of its own: the environment for its users, and the process."""

    environment: dict[str, str]
    daemon: subprocess.Popen[bytes]

    def stop(self) -> None:
        """Leaves the daemon alive but silent."""
        self.daemon.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.daemon.send_signal(signal.SIGCONT)


class PrivateKeyring(PrivateDaemon):
    """A running keyring, and what can be done to it."""

    def lock(self, name: str | None = None) -> None:
        """Locks the collection of this name, or the default one."""
        import secretstorage
        from jeepney.io.blocking import open_dbus_connection

        with open_dbus_connection(self.environment["DBUS_SESSION_BUS_ADDRESS"]) as connection:
            for collection in secretstorage.get_all_collections(connection):
                if collection.get_label() == name:
                    collection.lock()
            if name is None:
                secretstorage.get_collection_by_alias(connection, "default").lock()

    def make_collection(self, name: str) -> None:
        """Makes another collection, unlocked, by gnome-keyring's own way around its dialog."""
        from jeepney.io.blocking import open_dbus_connection
        from secretstorage import util

        interface = "org.gnome.keyring.InternalUnsupportedGuiltRiddenInterface"
        with open_dbus_connection(self.environment["DBUS_SESSION_BUS_ADDRESS"]) as connection:
            service = util.DBusAddressWrapper("/org/freedesktop/secrets", interface, connection)
            password = util.format_secret(util.open_session(connection), _PASSWORD.encode(), "text/plain")
            label = {"org.freedesktop.Secret.Collection.Label": ("s", name)}
            service.call("CreateWithMasterPassword", "a{sv}(oayays)", label, password)


@contextmanager
def private_keyring(folder: Path, unlocked: bool = True) -> Iterator[PrivateKeyring]:
    """Starts dbus-daemon and gnome-keyring-daemon with their files in `folder`; both are gone afterwards.

    The environment has no display. `unlocked=False`: a keyring in which nobody has ever logged in.
    """
    need_programs("gnome-keyring-daemon")
    daemon = ["gnome-keyring-daemon", "--foreground", "--components=secrets"] + ["--unlock"] * unlocked
    with (
        private_bus(folder) as environment,
        running(daemon, environment, _PASSWORD if unlocked else "") as process,
    ):
        wait_for_owner(environment, "org.freedesktop.secrets")
        if unlocked:
            _wait_for_default_collection(environment)
        yield PrivateKeyring(environment, process)


@contextmanager
def private_bus(folder: Path) -> Iterator[dict[str, str]]:
    """A bus of its own, and the environment of who uses it: a home in `folder` and no display."""
    need_programs("dbus-daemon")
    home, runtime = folder / "home", folder / "runtime"
    for directory in (home, runtime):
        directory.mkdir(mode=0o700)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(runtime),
        "DBUS_SESSION_BUS_ADDRESS": f"unix:path={folder / 'bus'}",
    }
    configuration = folder / "bus.conf"
    configuration.write_text(_BUS.format(socket=folder / "bus"))
    with running(["dbus-daemon", f"--config-file={configuration}", "--nofork"], environment):
        yield environment


def need_programs(*programs: str) -> None:
    """Skips the test where one of them is not installed."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")


@contextmanager
def running(
    command: list[str], environment: dict[str, str], text: str = ""
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that reads `text`, says nothing, and is gone afterwards."""
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    assert process.stdin
    process.stdin.write(text.encode())
    process.stdin.close()
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for_owner(environment: dict[str, str], name: str, patience: float = PATIENCE) -> None:
    """Returns when a service on the bus has the name. Raises TimeoutError after so many seconds."""
    from jeepney.bus_messages import message_bus
    from jeepney.io.blocking import Proxy, open_dbus_connection

    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            with open_dbus_connection(environment["DBUS_SESSION_BUS_ADDRESS"]) as connection:
                if Proxy(message_bus, connection).NameHasOwner(name)[0]:
                    return
        except OSError:
            pass
        time.sleep(0.02)
    raise TimeoutError(f"no service has had the name {name} within {patience} seconds")


def _wait_for_default_collection(environment: dict[str, str]) -> None:
    """gnome-keyring has its name on the bus before it has made the first collection, and loses sight of it once."""
    import secretstorage
    from jeepney.io.blocking import open_dbus_connection

    deadline, seen = time.monotonic() + PATIENCE, 0
    with open_dbus_connection(environment["DBUS_SESSION_BUS_ADDRESS"]) as connection:
        while time.monotonic() < deadline:
            try:
                secretstorage.get_collection_by_alias(connection, "default")
                seen += 1
            except secretstorage.ItemNotFoundException:
                seen = 0
            if seen == 5:
                return
            time.sleep(0.02)
    raise TimeoutError(f"gnome-keyring has made no default collection within {PATIENCE} seconds")
