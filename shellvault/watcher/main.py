"""The watcher process: locks the agent when the screen is locked or the machine goes to sleep.

A separate process, so that the agent loads no D-Bus library and a hanging bus delays no session.
"""

import os
import socket
import threading
from collections.abc import Set

from shellvault import hardening, threads
from shellvault.protocol import JSON_LIMIT, Lines, decode, encode
from shellvault.watcher import buses

#: Seconds that the agent may take to lock; logind waits for five (logind.conf(5), InhibitDelayMaxSec).
LOCK_SECONDS = 4.0


def main(descriptor: int, signs: Set[str]) -> None:
    """Watches for the agent at the other end of the descriptor until it ends; `signs`: the setting `lock_on`."""
    hardening.die_with_parent()
    sock = socket.socket(fileno=descriptor)
    sock.set_inheritable(False)
    agent = Agent(sock)
    for bus in buses.needed_for(signs):
        threads.start(buses.watch, bus, signs, agent)
    agent.hear()


class Agent:
    """The connection to the agent."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._sending, self._one = threading.Lock(), threading.Lock()
        self._locked = threading.Event()

    def lock(self) -> None:
        """Makes the agent forget everything, and waits for that."""
        with self._one:
            self._locked.clear()
            self._send({"lock": True})
            self._locked.wait(LOCK_SECONDS)

    def say(self, bus: str, problem: str | None) -> None:
        """Reports whether a bus can be heard, and if not, why."""
        self._send({"bus": bus, "problem": problem})

    def hear(self) -> None:
        """Reads the agent's replies; ends the process when the agent is gone."""
        lines = Lines(JSON_LIMIT)
        while data := self._sock.recv(4096):
            for line in lines.feed(data):
                if "locked" in decode(line):
                    self._locked.set()
        os._exit(0)

    def _send(self, message: dict[str, object]) -> None:
        try:
            with self._sending:
                self._sock.sendall(encode(message))
        except OSError:
            os._exit(0)
