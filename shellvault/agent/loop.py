"""A small event loop: sockets that are ready, and actions that are due. asyncio would cost 10 MiB."""

import heapq
import itertools
import selectors
import socket
import time
from collections.abc import Callable

#: Bytes taken from a socket at once.
CHUNK = 64 * 1024

#: Timers that are kept before cancelled ones are dropped.
MOST_TIMERS = 256

#: Seconds that sending a socket may wait for the other side to read what was sent before.
DESCRIPTOR_PATIENCE = 1.0


class Timer:
    """An action that is due at a time of the monotonic clock, unless cancelled."""

    __slots__ = ("action",)

    def __init__(self, action: Callable[[], None]) -> None:
        self.action: Callable[[], None] | None = action

    def cancel(self) -> None:
        """Keeps the action from running."""
        self.action = None


class Loop:
    """Runs callbacks, one at a time, in the thread that calls `run`."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Timer]] = []
        self._most_timers = MOST_TIMERS
        self._order = itertools.count()
        self._running = False

    def watch(
        self, sock: socket.socket, readable: Callable[[], None], writable: Callable[[], None] | None = None
    ) -> None:
        """Calls `readable` (and `writable`, if given) whenever the socket is; replaces an earlier watch."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if writable else 0)
        callbacks = (readable, writable)
        if sock.fileno() in self.selector.get_map():
            self.selector.modify(sock, events, callbacks)
        else:
            self.selector.register(sock, events, callbacks)

    def unwatch(self, sock: socket.socket) -> None:
        """Ends a watch; does nothing when there is none."""
        if sock.fileno() in self.selector.get_map():
            self.selector.unregister(sock)

    def later(self, seconds: float, action: Callable[[], None]) -> Timer:
        """Runs the action in so many seconds."""
        timer = Timer(action)
        if len(self._timers) > self._most_timers:
            # Most deadlines are cancelled long before they are due.
            self._timers = [entry for entry in self._timers if entry[2].action is not None]
            heapq.heapify(self._timers)
            self._most_timers = max(MOST_TIMERS, 2 * len(self._timers))
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._order), timer))
        return timer

    def stop(self) -> None:
        """Makes `run` return after the current callback."""
        self._running = False

    def run(self) -> None:
        """Serves until `stop`."""
        self._running = True
        while self._running:
            for key, events in self.selector.select(self._run_timers()):
                readable, writable = key.data
                if events & selectors.EVENT_WRITE and writable:
                    writable()
                # The first callback may have closed the socket, or handed its number to another.
                if events & selectors.EVENT_READ and self.selector.get_map().get(key.fd) is key:
                    readable()
                if not self._running:
                    break

    def _run_timers(self) -> float | None:
        """Runs what is due; returns the seconds until the next timer, None when there is none."""
        while self._timers:
            due, _, timer = self._timers[0]
            wait = due - time.monotonic()
            if timer.action is not None and wait > 0:
                return wait
            heapq.heappop(self._timers)
            if timer.action is not None:
                timer.action()
                if not self._running:
                    return 0
        return None


class Stream:
    """A connected non-blocking socket: what arrives is handed on, what is sent waits for the other side.

    `received` gets each piece of data, `closed` is called once when the connection ends from either side.
    """

    def __init__(
        self, loop: Loop, sock: socket.socket, received: Callable[[bytes], None], closed: Callable[[], None]
    ) -> None:
        self._loop = loop
        self.socket = sock
        self._received = received
        self._closed = closed
        self._unsent = bytearray()
        self._finishing = False
        self.open = True
        sock.setblocking(False)
        loop.watch(sock, self._read)

    def send(self, data: bytes) -> None:
        """Sends, now or when the other side is ready. Data for a closed connection is dropped."""
        if self.open and not self._finishing:
            self._unsent += data
            self._write()

    def finish(self, deadline: float) -> None:
        """Closes when everything has been sent, or in `deadline` seconds."""
        self._finishing = True
        if self._unsent:
            self._loop.later(deadline, self.close)
        else:
            self.close()

    def send_socket(self, data: bytes, sock: socket.socket) -> None:
        """Sends a copy of a socket along with the data (unix(7), SCM_RIGHTS). The other side is one that reads."""
        try:
            self.socket.settimeout(DESCRIPTOR_PATIENCE)
            self.socket.sendall(self._unsent)
            self._unsent.clear()
            sent = socket.send_fds(self.socket, [data], [sock.fileno()])
            self.socket.setblocking(False)
        except OSError:
            self.close()
        else:
            self.send(data[sent:])

    def detach(self) -> tuple[socket.socket, bytes]:
        """Releases the socket for another owner; returns it with the unsent bytes."""
        self.open = False
        self._loop.unwatch(self.socket)
        unsent = bytes(self._unsent)
        self._unsent.clear()
        self._closed()
        return self.socket, unsent

    def close(self) -> None:
        """Closes at once."""
        if self.open:
            self.open = False
            self._loop.unwatch(self.socket)
            self.socket.close()
            self._unsent.clear()
            self._closed()

    def _read(self) -> None:
        try:
            data = self.socket.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
        elif not self._finishing:
            self._received(data)

    def _write(self) -> None:
        try:
            sent = self.socket.send(self._unsent)
            del self._unsent[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self.close()
            return
        if self._unsent:
            self._loop.watch(self.socket, self._read, self._write)
        elif self._finishing:
            self.close()
        else:
            self._loop.watch(self.socket, self._read)
