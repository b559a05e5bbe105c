"""The agent's end of a worker process: started with a socket, spoken to in JSON lines, killed at need."""

import os
import signal
import socket
from collections.abc import Callable, Mapping

from shellvault.agent.loop import Loop, Stream
from shellvault.protocol import JSON_LIMIT, Lines, Message, decode, encode

#: Seconds between looks at whether a killed worker is gone; one in uninterruptible sleep may take a while.
REAP_INTERVAL = 0.05


class Worker:
    """One running worker process.

    `received` gets its messages; `ended` is called once, when the process has gone, been killed, or sent
    nonsense.
    """

    def __init__(
        self,
        loop: Loop,
        command: tuple[str, ...],
        environment: Mapping[str, str],
        received: Callable[["Worker", Message], None],
        ended: Callable[["Worker"], None],
    ) -> None:
        self._loop = loop
        self._received = received
        self._ended = ended
        self._lines = Lines(JSON_LIMIT)
        self.environment = dict(environment)
        self.knows_forgotten = False
        """Whether it has begun with something before everything was forgotten: what it says is kept no more."""
        ours, theirs = socket.socketpair()
        with theirs:
            theirs.set_inheritable(True)
            self.pid = os.posix_spawn(
                command[0],
                [*command, str(theirs.fileno())],
                self.environment,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, descriptor, os.devnull, os.O_RDWR, 0) for descriptor in (0, 1, 2)
                ],
                setsigdef=[signal.SIGTERM, signal.SIGINT, signal.SIGHUP],
            )
        self._stream = Stream(loop, ours, self._receive, self._end)

    def send(self, message: Message) -> None:
        """Sends one message."""
        self._stream.send(encode(message))

    def kill(self) -> None:
        """Ends the process at once, whatever it is doing."""
        self._stream.close()

    def _receive(self, data: bytes) -> None:
        try:
            for line in self._lines.feed(data):
                self._received(self, decode(line))
        except Exception:
            # A worker that sends nonsense costs its own jobs, not the agent.
            self.kill()

    def _end(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self._reap()
        self._ended(self)

    def _reap(self) -> None:
        if os.waitpid(self.pid, os.WNOHANG) == (0, 0):
            self._loop.later(REAP_INTERVAL, self._reap)
