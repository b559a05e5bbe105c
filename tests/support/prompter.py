"""A stand-in for gcr-prompter, which shows gnome-keyring's dialogs: it leaves them open, or dismisses them.

gcr's interfaces org.gnome.keyring.internal.Prompter and …Prompter.Callback (gcr-prompter's D-Bus XML).
"""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

from jeepney import DBusAddress, HeaderFields, MessageType, new_method_call, new_method_return
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import DBusConnection, Proxy, open_dbus_connection

_NAME = "org.gnome.keyring.SystemPrompter"
_CALLBACK = "org.gnome.keyring.internal.Prompter.Callback"


class Prompter:
    """The dialogs of one bus."""

    def __init__(self, connection: DBusConnection, dismisses: bool) -> None:
        self._connection = connection
        self._dismisses = dismisses
        self.shown = 0
        """How many dialogs were opened."""

    def serve(self) -> None:
        """Answers until the connection is closed."""
        while True:
            try:
                message = self._connection.receive()
            except (OSError, ValueError):
                return
            fields = message.header.fields
            if message.header.message_type is not MessageType.method_call:
                continue
            self._connection.send(new_method_return(message))
            caller, member = fields[HeaderFields.sender], fields[HeaderFields.member]
            if member == "BeginPrompting":
                self._tell(caller, message.body[0], "")
            elif member == "PerformPrompt":
                self.shown += 1
                if self._dismisses:
                    self._tell(caller, message.body[0], "no")
            elif member == "StopPrompting":
                self._call(caller, message.body[0], "PromptDone", "", ())

    def _tell(self, caller: str, path: str, reply: str) -> None:
        self._call(caller, path, "PromptReady", "sa{sv}s", (reply, {}, "[sx-aes-1]\n"))

    def _call(self, caller: str, path: str, method: str, signature: str, body: tuple[object, ...]) -> None:
        address = DBusAddress(path, caller, _CALLBACK)
        self._connection.send(new_method_call(address, method, signature, body))


@contextmanager
def prompter(address: str, *, dismisses: bool) -> Iterator[Prompter]:
    """A prompter on the bus at `address`."""
    with closing(open_dbus_connection(address)) as connection:
        Proxy(message_bus, connection).RequestName(_NAME)
        serving = Prompter(connection, dismisses)
        threading.Thread(target=serving.serve, daemon=True).start()
        yield serving
