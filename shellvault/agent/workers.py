"""The agent's end of a worker process: started with a socket, spoken to in JSON lines, killed at need."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from shellvault.agent import spawning
from shellvault.agent.loop import Loop, Stream, Timer
from shellvault.protocol import JSON_LIMIT, Lines, Message, decode, encode

#: Seconds between looks at whether a killed worker is gone; one in uninterruptible sleep may take a while.
REAP_INTERVAL = 0.05

#: Seconds that the end of a killed worker is waited for, and between two looks.
END_PATIENCE, END_PAUSE = 0.5, 0.002


class Process(NamedTuple):
    """A worker process: its number, the environment that it was started with, and our end of its socket."""

    pid: int
    environment: dict[str, str]
    socket: socket.socket


def spawn(command: tuple[str, ...], environment: Mapping[str, str]) -> Process:
    """Starts a worker process. Raises OSError, and ValueError for an environment that cannot be passed on."""
    pid, descriptor = spawning.spawn(command, environment)
    return Process(pid, dict(environment), socket.socket(fileno=descriptor))


_killed: set[int] = set()


def reap(loop: Loop, pids: Iterable[int]) -> None:
    """Reaps killed workers, now or when they have ended."""
    _killed.update(pids)
    if unreaped():
        loop.later(REAP_INTERVAL, lambda: reap(loop, ()))


def unreaped() -> list[int]:
    """The killed workers that have not ended yet."""
    for pid in list(_killed):
        if os.waitpid(pid, os.WNOHANG) != (0, 0):
            _killed.discard(pid)
    return list(_killed)


def await_ends() -> None:
    """Waits until killed workers are gone, and their memory with them; not for one in uninterruptible sleep."""
    deadline = time.monotonic() + END_PATIENCE
    while unreaped() and time.monotonic() < deadline:
        time.sleep(END_PAUSE)


#: Seconds between pings to a worker with jobs. After SLOW seconds of silence its waiters are informed; after DEAD (at
#: its start, while it imports: START) it is ended.
PING, SLOW, DEAD, START = 2.0, 5.0, 12.0, 30.0


class Worker:
    """One running worker process.

    `received` gets its messages; `ended` is called once, when the process has gone, been killed, or sent
    nonsense.
    """

    def __init__(
        self,
        loop: Loop,
        process: Process,
        received: Callable[["Worker", Message], None],
        ended: Callable[["Worker"], None],
    ) -> None:
        self._loop = loop
        self._received = received
        self._ended = ended
        self._lines = Lines(JSON_LIMIT)
        self.pid, self.environment, self._sock = process
        self.is_ready = False
        """Whether it has imported what jobs need."""
        self._heard_at = self._looked_at = 0.0
        self._has_spoken = self._is_slow = False
        self._look: Timer | None = None
        self._stream = Stream(loop, self._sock, self._receive, self._end)

    @property
    def lives(self) -> bool:
        """False from when its end has been seen: what is sent to it then is dropped."""
        return self._stream.open

    def attend(self, slow: Callable[["Worker"], None]) -> None:
        """Pings it until `rest`: a stopped worker would keep its waiters for ever.

        Its jobs have threads of their own, so it answers at once, whatever they wait for.
        """
        if self._look is None:
            self._heard_at = self._looked_at = time.monotonic()
            self._ask_for_life(slow)

    def rest(self) -> None:
        """Stops the pings: it has no jobs any more."""
        if self._look:
            self._look.cancel()
            self._look = None

    def _ask_for_life(self, slow: Callable[["Worker"], None]) -> None:
        now = time.monotonic()
        if now - self._looked_at > SLOW:
            # This process, or the machine, was stopped.
            self._heard_at = now
        self._looked_at = now
        silence = now - self._heard_at
        if silence >= (DEAD if self._has_spoken else START):
            self.kill()
            return
        if silence >= SLOW and not self._is_slow and self._has_spoken:
            self._is_slow = True
            slow(self)
        self.send({"ping": True})
        self._look = self._loop.later(PING, lambda: self._ask_for_life(slow))

    def send(self, message: Message) -> None:
        """Sends one message."""
        self._stream.send(encode(message))

    def kill(self) -> None:
        """Ends the process at once, whatever it is doing."""
        self._stream.close()

    def _receive(self, data: bytes) -> None:
        try:
            self._heard_at, self._has_spoken, self._is_slow = time.monotonic(), True, False
            for line in self._lines.feed(data):
                message = decode(line)
                if "pong" not in message:
                    self._received(self, message)
        except Exception:
            # A worker that sends nonsense costs its own jobs, not the agent.
            self.kill()

    def state(self) -> Message:
        """The state of this worker for a fresh agent (see `restart`)."""
        return {
            "pid": self.pid,
            "environment": self.environment,
            "descriptor": self._sock.fileno(),
            "is_ready": self.is_ready,
        }

    def hand_out(self, message: Message, sock: socket.socket) -> None:
        """Sends a message that has the worker answer a request on this socket."""
        self._stream.send_socket(encode(message), sock)

    def _end(self) -> None:
        self.rest()
        os.kill(self.pid, signal.SIGKILL)
        reap(self._loop, [self.pid])
        self._ended(self)
