"""The agent's end of the watcher, which hears from the desktop when to lock. Imported only where it is asked for."""

import os
import signal
import socket
from collections.abc import Callable, Mapping

from shellvault.agent.loop import Loop, Stream
from shellvault.agent.restart import socket_of
from shellvault.agent.workers import Process, reap
from shellvault.protocol import JSON_LIMIT, Lines, Message, decode, encode

ADDRESS = "DBUS_SESSION_BUS_ADDRESS"


class Watcher:
    """One running watcher process. `lock` is called when it says so, `ended` once, when it has gone."""

    def __init__(
        self,
        loop: Loop,
        process: Process,
        signs: list[str],
        lock: Callable[[], None],
        ended: Callable[[], None],
    ) -> None:
        self._loop, self._lock, self._ended = loop, lock, ended
        self._lines = Lines(JSON_LIMIT)
        self.pid, self.environment, self._sock = process
        self.signs = signs
        self.problems: dict[str, str | None] = {}
        """Of each bus that has been looked for: why it is not listened to, None: it is."""
        self._stream = Stream(loop, self._sock, self._receive, self._end)

    def serves(self, signs: list[str], environment: Mapping[str, str]) -> bool:
        """Whether it looks for these signs, on the session bus of this environment if it has one."""
        return self.signs == signs and environment.get(ADDRESS) in (None, self.environment.get(ADDRESS))

    def end(self) -> None:
        """Ends the process."""
        self._stream.close()

    def release(self) -> tuple[socket.socket, bytes]:
        """A second hold on its socket, and what the fresh agent is to say on it (see `restart`)."""
        return self._sock.dup(), encode({"locked": True})

    def state(self) -> Message:
        """What a fresh agent needs to go on with it."""
        process = {"pid": self.pid, "environment": self.environment, "descriptor": self._sock.fileno()}
        return process | {"signs": self.signs, "problems": self.problems}

    def _receive(self, data: bytes) -> None:
        try:
            for line in self._lines.feed(data):
                message = decode(line)
                if "lock" in message:
                    self._lock()
                else:
                    self.problems[message["bus"]] = message["problem"]
        except (KeyError, ValueError):
            self.end()

    def _end(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        reap(self._loop, [self.pid])
        self._ended()


def adopted(loop: Loop, state: Message, lock: Callable[[], None], ended: Callable[[], None]) -> Watcher:
    """The watcher of the agent before, by its `state`. Raises OSError."""
    process = Process(state["pid"], state["environment"], socket_of(state))
    watcher = Watcher(loop, process, state["signs"], lock, ended)
    watcher.problems = state["problems"]
    return watcher
