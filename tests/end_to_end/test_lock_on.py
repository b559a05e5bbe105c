"""With `lock_on` the agent locks when the desktop says that the person is gone.

The bus is a real dbus-daemon, for both buses. Who speaks on it is a stand-in: no logind and no screen saver runs here.
"""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from jeepney import (  # type: ignore[import-untyped]
    DBusAddress,
    HeaderFields,
    MessageType,
    new_error,
    new_method_return,
    new_signal,
)
from jeepney.bus_messages import message_bus  # type: ignore[import-untyped]
from jeepney.io.blocking import Proxy, open_dbus_connection  # type: ignore[import-untyped]

from shellvault.client import agent as client
from tests.end_to_end.conftest import Person, settle
from tests.end_to_end.test_what_is_kept import endpoint_status, token_holder
from tests.real_keyring import private_bus
from tests.support.emulator import Aws
from tests.support.home import Home
from tests.support.sts_front import StsFront

pytestmark = pytest.mark.real

LOGIN = "org.freedesktop.login1"
SESSION = f"/{LOGIN.replace('.', '/')}/session/_31"


class Desktop:
    """A stand-in for logind and a screen saver on one bus: it says what it is told to, and delays its suspends."""

    def __init__(self, address: str, *names: str) -> None:
        self.uid = os.getuid()
        self.delays: list[socket.socket] = []
        """Our ends of the delays that it has handed out; at an end, the other side has let go."""
        self._connection = open_dbus_connection(address, enable_fds=True)
        for name in names:
            assert Proxy(message_bus, self._connection).RequestName(name) == (1,)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                call = self._connection.receive()
            except (OSError, EOFError, ValueError):
                return
            if call.header.message_type is not MessageType.method_call:
                continue
            what = call.header.fields[HeaderFields.member]
            if what == "Inhibit":
                ours, theirs = socket.socketpair()
                self.delays.append(ours)
                with theirs:
                    self._connection.send(new_method_return(call, "h", (theirs,)))
            elif what == "Get":
                body = (("(uo)", (self.uid, "/org/freedesktop/login1/user/_1000")),)
                self._connection.send(new_method_return(call, "v", body))
            else:
                self._connection.send(new_error(call, "org.freedesktop.DBus.Error.UnknownMethod"))

    def says(
        self, path: str, interface: str, member: str, signature: str | None = None, body: tuple[Any, ...] = ()
    ) -> None:
        self._connection.send(new_signal(DBusAddress(path, interface=interface), member, signature, body))

    def sleeps(self, begins: bool) -> None:
        path = "/org/freedesktop/login1"
        self.says(path, f"{LOGIN}.Manager", "PrepareForSleep", "b", (begins,))

    def locks_session(self) -> None:
        self.says(SESSION, f"{LOGIN}.Session", "Lock")

    def hints_at_lock(self) -> None:
        changed = (f"{LOGIN}.Session", {"LockedHint": ("b", True)}, [])
        self.says(SESSION, "org.freedesktop.DBus.Properties", "PropertiesChanged", "sa{sv}as", changed)

    def covers_screen(self, name: str = "org.freedesktop.ScreenSaver", active: bool = True) -> None:
        self.says(f"/{name.replace('.', '/')}", name, "ActiveChanged", "b", (active,))

    def close(self) -> None:
        self._connection.sock.shutdown(socket.SHUT_RDWR)


NAMES = (LOGIN, "org.freedesktop.ScreenSaver", "org.gnome.ScreenSaver")


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[str]:
    """The address of a bus."""
    folder = tmp_path / "bus"
    folder.mkdir()
    with private_bus(folder) as environment:
        yield environment["DBUS_SESSION_BUS_ADDRESS"]


@pytest.fixture
def desktop(bus: str) -> Iterator[Desktop]:
    found = Desktop(bus, *NAMES)
    yield found
    found.close()


@pytest.fixture
def person(home: Home, aws: Aws, front: StsFront, bus: str) -> Person:
    """A person with an agent on a desktop."""
    del home.environment["SHELLVAULT_NO_AGENT"]
    home.environment["DBUS_SESSION_BUS_ADDRESS"] = home.environment["DBUS_SYSTEM_BUS_ADDRESS"] = bus
    return settle(home, aws, front)


def status(person: Person) -> dict[str, Any]:
    found = client.status(person.home.environment)
    assert found is not None
    return found


def until(condition: Callable[[], object], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


def enter(person: Person) -> int:
    """Has the agent hold a session and keep the vault unlocked; its process id, when all that is wanted is heard."""
    person.home.succeed("exec", "work", "--", "true")
    found = status(person)
    assert found["sessions"]
    assert found["unlocked"]
    if found["lock_on"]:
        buses = 2 if "screen-lock" in found["lock_on"]["signs"] else 1
        until(lambda: list(status(person)["lock_on"]["problems"].values()) == [None] * buses)
    return int(found["pid"])


def is_locked(person: Person) -> bool:
    # A connection that comes while the agent becomes a fresh process gets no answer; commands ask again.
    found = client.status(person.home.environment)
    return found is not None and not (found["sessions"] or found["unlocked"] or found["steps"])


@pytest.mark.parametrize(
    "sign",
    [
        Desktop.locks_session,
        Desktop.hints_at_lock,
        Desktop.covers_screen,
        lambda desktop: desktop.covers_screen("org.gnome.ScreenSaver"),
        lambda desktop: desktop.sleeps(True),
    ],
    ids=["Lock", "LockedHint", "ScreenSaver", "GNOME", "PrepareForSleep"],
)
def test_each_sign_of_the_desktop_locks_each_time(
    person: Person, desktop: Desktop, sign: Callable[[Desktop], None]
) -> None:
    person.home.write_settings('lock_on = ["screen-lock", "suspend"]\n')
    pid = enter(person)
    for _ in range(2):
        assert not is_locked(person)
        sign(desktop)
        until(lambda: is_locked(person))
        # The same agent, which goes on, and still listens.
        assert enter(person) == pid
    assert "locks on screen-lock and suspend" in person.home.succeed("agent", "status")


def test_a_token_stays_dead_after_a_sign_and_a_later_unlock(person: Person, desktop: Desktop) -> None:
    person.home.write_settings('lock_on = ["screen-lock"]\n')
    enter(person)
    with token_holder(person) as variables:
        assert endpoint_status(variables) == 200
        desktop.locks_session()
        until(lambda: is_locked(person))
        assert endpoint_status(variables) != 200
        person.home.succeed("unlock")
        enter(person)
        # Nor at the endpoint that there is now.
        now = person.home.succeed("exec", "--server", "work", "--", "sh", "-c", "env | grep ^AWS_CONTAINER")
        old_token = next(line for line in variables.splitlines() if "TOKEN" in line)
        new_place = next(line for line in now.splitlines() if "URI" in line)
        assert endpoint_status(f"{new_place}\n{old_token}") == 403
        assert endpoint_status(variables) != 200


def test_a_suspend_waits_until_everything_is_forgotten(person: Person, desktop: Desktop) -> None:
    person.home.write_settings('lock_on = ["suspend"]\n')
    enter(person)
    until(lambda: len(desktop.delays) == 1)
    desktop.sleeps(True)
    desktop.delays[0].settimeout(10)
    assert desktop.delays[0].recv(1) == b"", "the delay is let go"
    assert is_locked(person)
    desktop.sleeps(False)
    until(lambda: len(desktop.delays) == 2)


@pytest.mark.parametrize(
    ("signs", "sign"),
    [
        ('"suspend"', Desktop.locks_session),
        ('"suspend"', Desktop.covers_screen),
        ('"screen-lock"', lambda desktop: desktop.sleeps(True)),
        ('"screen-lock"', lambda desktop: desktop.covers_screen(active=False)),
        ('"suspend"', lambda desktop: desktop.sleeps(False)),
    ],
)
def test_what_was_not_asked_for_locks_nothing(
    person: Person, desktop: Desktop, signs: str, sign: Callable[[Desktop], None]
) -> None:
    person.home.write_settings(f"lock_on = [{signs}]\n")
    enter(person)
    sign(desktop)
    time.sleep(0.5)
    assert not is_locked(person)


def test_another_users_login_locks_nothing(person: Person, desktop: Desktop) -> None:
    person.home.write_settings('lock_on = ["screen-lock"]\n')
    enter(person)
    desktop.uid += 1
    desktop.locks_session()
    desktop.hints_at_lock()
    time.sleep(0.5)
    assert not is_locked(person)


def test_a_sender_other_than_the_desktop_is_not_believed(person: Person, bus: str) -> None:
    person.home.write_settings('lock_on = ["screen-lock", "suspend"]\n')
    stranger = Desktop(bus, "org.example.Stranger")
    enter(person)
    stranger.covers_screen()
    stranger.sleeps(True)
    time.sleep(0.5)
    assert not is_locked(person)
    stranger.close()


def test_without_the_setting_there_is_no_watcher(person: Person, desktop: Desktop) -> None:
    pid = enter(person)
    assert status(person)["lock_on"] is None
    assert not watchers(pid)
    for sign in (Desktop.covers_screen, Desktop.locks_session):
        sign(desktop)
    time.sleep(0.3)
    assert not is_locked(person)


def watchers(pid: int) -> list[psutil.Process]:
    found = []
    for child in psutil.Process(pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):
            found += [child] if any("/watcher/" in word for word in child.cmdline()) else []
    return found


def test_the_watcher_follows_the_setting_and_the_agent(person: Person, desktop: Desktop) -> None:
    pid = enter(person)
    person.home.write_settings('lock_on = ["suspend"]\n')
    person.home.succeed("exec", "--fresh", "work", "--", "true")
    (watcher,) = watchers(pid)
    person.home.write_settings("")
    person.home.succeed("exec", "--fresh", "work", "--", "true")
    until(lambda: not watchers(pid))
    person.home.write_settings('lock_on = ["suspend"]\n')
    person.home.succeed("exec", "--fresh", "work", "--", "true")
    (second,) = watchers(pid)
    assert second.pid != watcher.pid
    person.home.succeed("agent", "stop")
    until(lambda: not second.is_running() or second.status() == psutil.STATUS_ZOMBIE)


def test_forgetting_keeps_the_watcher(person: Person, desktop: Desktop) -> None:
    person.home.write_settings('lock_on = ["screen-lock"]\n')
    pid = enter(person)
    (before,) = watchers(pid)
    person.home.succeed("clear")
    person.home.succeed("lock")
    assert [watcher.pid for watcher in watchers(pid)] == [before.pid]
    enter(person)
    desktop.covers_screen()
    until(lambda: is_locked(person))


def test_a_desktop_without_a_bus_costs_nothing_and_is_said(person: Person) -> None:
    person.home.write_settings('lock_on = ["screen-lock"]\n')
    person.home.environment["DBUS_SYSTEM_BUS_ADDRESS"] = "unix:path=/nonexistent"
    assert person.home.succeed("exec", "work", "--", "printenv", "AWS_VAULT") == "work\n"
    until(lambda: "cannot hear the system bus" in person.home.succeed("agent", "status"))


@pytest.mark.parametrize("text", ['lock_on = ["lunch"]\n', 'lock_on = "suspend"\n', "lock_on = [1]\n"])
def test_an_unknown_event_is_one_line(person: Person, text: str) -> None:
    person.home.write_settings(text)
    message = person.home.fail("exec", "work", "--", "true")
    assert "lock_on must be " in message
    assert "screen-lock" in message
