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

_PROGRAMS = ("dbus-daemon", "gnome-keyring-daemon")
_PASSWORD = "keyring password"


@dataclass
class PrivateKeyring:
    """A running keyring: the environment for its users, and what can be done to it."""

    environment: dict[str, str]
    daemon: subprocess.Popen[bytes]

    def stop(self) -> None:
        """Leaves the daemon alive but silent."""
        self.daemon.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.daemon.send_signal(signal.SIGCONT)

    def lock(self) -> None:
        """Locks the default collection."""
        import secretstorage
        from jeepney.io.blocking import open_dbus_connection

        with open_dbus_connection(self.environment["DBUS_SESSION_BUS_ADDRESS"]) as connection:
            secretstorage.get_collection_by_alias(connection, "default").lock()


@contextmanager
def private_keyring(folder: Path, unlocked: bool = True) -> Iterator[PrivateKeyring]:
    """Starts dbus-daemon and gnome-keyring-daemon with their files in `folder`; both are gone afterwards.

    The environment has no display. `unlocked=False`: a keyring in which nobody has ever logged in.
    """
    missing = [program for program in _PROGRAMS if shutil.which(program) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    environment = _environment(folder)
    configuration = folder / "bus.conf"
    configuration.write_text(_BUS.format(socket=folder / "bus"))
    bus = ["dbus-daemon", f"--config-file={configuration}", "--nofork"]
    daemon = ["gnome-keyring-daemon", "--foreground", "--components=secrets"] + ["--unlock"] * unlocked
    with _running(bus, environment), _running(daemon, environment, _PASSWORD if unlocked else "") as process:
        _wait_for_owner(environment["DBUS_SESSION_BUS_ADDRESS"])
        yield PrivateKeyring(environment, process)


def _environment(folder: Path) -> dict[str, str]:
    home, runtime = folder / "home", folder / "runtime"
    for directory in (home, runtime):
        directory.mkdir(mode=0o700)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(runtime),
        "DBUS_SESSION_BUS_ADDRESS": f"unix:path={folder / 'bus'}",
    }


@contextmanager
def _running(
    command: list[str], environment: dict[str, str], text: str = ""
) -> Iterator[subprocess.Popen[bytes]]:
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


def _wait_for_owner(address: str) -> None:
    from jeepney.bus_messages import message_bus
    from jeepney.io.blocking import Proxy, open_dbus_connection

    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            with open_dbus_connection(address) as connection:
                if Proxy(message_bus, connection).NameHasOwner("org.freedesktop.secrets")[0]:
                    return
        except OSError:
            pass
        time.sleep(0.02)
    raise TimeoutError("gnome-keyring-daemon has not come up within 10 seconds")
