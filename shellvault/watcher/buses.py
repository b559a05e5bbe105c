"""Listens to the buses of a desktop: systemd-logind on the system bus, the screen saver on the session bus.

org.freedesktop.login1(5) defines the signals and the delay of a suspend. ActiveChanged comes from the freedesktop.org
Idle Inhibition draft; GNOME, Cinnamon and MATE have it under their own names.
"""

import os
import time
from collections import deque
from collections.abc import Iterator, Set
from typing import Any, Protocol

from jeepney import DBusAddress, HeaderFields, MatchRule, Message, new_method_call  # type: ignore[import-untyped]
from jeepney.bus_messages import message_bus  # type: ignore[import-untyped]
from jeepney.io.blocking import DBusConnection  # type: ignore[import-untyped]
from jeepney.wrappers import DBusErrorResponse, unwrap_msg  # type: ignore[import-untyped]

from shellvault.vault import bus_address
from shellvault.vault.bus import open_socket

#: Seconds for a message, and before reconnecting to a lost bus.
MESSAGE_SECONDS, RETRY = 5.0, 15.0

LOGIN = "org.freedesktop.login1"
MANAGER, SESSION = f"{LOGIN}.Manager", f"{LOGIN}.Session"
PROPERTIES = "org.freedesktop.DBus.Properties"
SCREEN_SAVERS = tuple(
    f"org.{desktop}.ScreenSaver" for desktop in ("freedesktop", "gnome", "cinnamon", "mate")
)


class Agent(Protocol):
    """The agent's side of a watch (`main.Agent`)."""

    def lock(self) -> None: ...  # noqa: D102 - described there
    def say(self, bus: str, problem: str | None) -> None: ...  # noqa: D102


def needed_for(signs: Set[str]) -> tuple[str, ...]:
    """The buses that send these signs."""
    return ("system", "session") if "screen-lock" in signs else ("system",) if signs else ()


def watch(bus: str, signs: Set[str], agent: Agent) -> None:
    """Listens to a bus for ever, and reconnects if it is missing or lost."""
    while True:
        try:
            with _connection(bus) as connection:
                _listen(connection, bus, signs, agent)
        except Exception as error:
            # The library raises many types for a bus that is gone, hangs or sends nonsense.
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            agent.say(bus, " ".join(reason.split()))
        time.sleep(RETRY)


def _connection(bus: str) -> DBusConnection:
    address = _system_bus() if bus == "system" else bus_address.of_session(os.environ)
    if address is None:
        raise OSError("there is none")
    return DBusConnection(open_socket(address, enable_fds=True), enable_fds=True)


def _system_bus() -> str:
    """Its address (D-Bus Specification, "Well-known Message Bus Instances")."""
    return os.environ.get("DBUS_SYSTEM_BUS_ADDRESS") or "unix:path=/var/run/dbus/system_bus_socket"


def _listen(connection: DBusConnection, bus: str, signs: Set[str], agent: Agent) -> None:
    signals: deque[Message] = deque()
    with connection.filter(MatchRule(type="signal"), queue=signals):
        for rule in _rules(bus, signs):
            _ask(connection, message_bus.AddMatch(rule))
        delay = _delay(connection) if bus == "system" and "suspend" in signs else None
        agent.say(bus, None)
        while True:
            signal = connection.recv_until_filtered(signals)
            if _is_meant(connection, signal):
                agent.lock()
            if signal.header.fields.get(HeaderFields.member) == "PrepareForSleep":
                # Closing the delay lets the machine sleep; after waking, take one for the next suspend.
                if delay is not None:
                    os.close(delay)
                delay = None if signal.body[0] else _delay(connection)


def _rules(bus: str, signs: Set[str]) -> Iterator[MatchRule]:
    if bus == "session":
        for name in SCREEN_SAVERS:
            yield MatchRule(type="signal", sender=name, interface=name, member="ActiveChanged")
        return
    if "suspend" in signs:
        yield MatchRule(type="signal", sender=LOGIN, interface=MANAGER, member="PrepareForSleep")
    if "screen-lock" in signs:
        yield MatchRule(type="signal", sender=LOGIN, interface=SESSION, member="Lock")
        hint = MatchRule(type="signal", sender=LOGIN, interface=PROPERTIES, member="PropertiesChanged")
        hint.add_arg_condition(0, SESSION)
        yield hint


def _is_meant(connection: DBusConnection, signal: Message) -> bool:
    """Whether a signal means a locked screen or a suspend, and comes from an entitled sender."""
    fields = signal.header.fields
    interface, member = fields.get(HeaderFields.interface), fields.get(HeaderFields.member)
    match (member, *signal.body):
        case ("PrepareForSleep" | "ActiveChanged", True):
            name = LOGIN if interface == MANAGER else interface
            return _is_from(connection, signal, name)
        case ("Lock",):
            pass
        case ("PropertiesChanged", str(), {"LockedHint": (_, True)}, *_):
            pass
        case _:
            return False
    return _is_from(connection, signal, LOGIN) and _is_own(connection, fields[HeaderFields.path])


def _is_from(connection: DBusConnection, signal: Message, name: str) -> bool:
    """Whether the sender owns this bus name: any program on the bus may send us a signal."""
    try:
        (owner,) = _ask(connection, message_bus.GetNameOwner(name))
    except DBusErrorResponse:
        return False
    return bool(owner == signal.header.fields.get(HeaderFields.sender))


def _is_own(connection: DBusConnection, session: str) -> bool:
    """Whether a login session is this user's; true if logind cannot be asked."""
    address = DBusAddress(session, bus_name=LOGIN, interface=PROPERTIES)
    try:
        ((_, (uid, _)),) = _ask(connection, new_method_call(address, "Get", "ss", (SESSION, "User")))
    except (DBusErrorResponse, ValueError, TypeError):
        return True
    return bool(uid == os.getuid())


def _delay(connection: DBusConnection) -> int | None:
    """A descriptor that delays a suspend while it is open; None if logind gives none."""
    address = DBusAddress("/org/freedesktop/login1", bus_name=LOGIN, interface=MANAGER)
    words = ("sleep", "shellvault", "sessions are forgotten first", "delay")
    try:
        (descriptor,) = _ask(connection, new_method_call(address, "Inhibit", "ssss", words))
    except DBusErrorResponse:
        return None
    return int(descriptor.to_raw_fd())


def _ask(connection: DBusConnection, message: Message) -> tuple[Any, ...]:
    """The body of a reply. Raises DBusErrorResponse, TimeoutError and OSError."""
    reply: tuple[Any, ...] = unwrap_msg(connection.send_and_get_reply(message, timeout=MESSAGE_SECONDS))
    return reply
