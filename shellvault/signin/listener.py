"""The address on 127.0.0.1 to which the browser returns after a sign-in (RFC 8252, 7.3).

Every request gets an answer in time. Only one with the right state ends the wait: favicons, HEADs, port scanners,
a second click and a page that guesses the port do not.
"""

import hmac
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from h11 import Request

from shellvault import request_head, threads
from shellvault.connections import Connections, hang_up
from shellvault.errors import SessionError
from shellvault.signin import pages

#: The AWS CLI's path; it is part of a registration.
CALLBACK_PATH = "/oauth/callback"

#: Connections at once (browsers open some in advance and leave them idle), and those that wait to be accepted.
_AT_ONCE, _BACKLOG = 64, 4096
_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Callback:
    """What the browser brought: a code, or an error of RFC 6749, 4.1.2.1."""

    code: str | None = field(repr=False, default=None)
    error: str | None = None
    description: str | None = None


class Listener:
    """A bound port; made by `listening`."""

    def __init__(self, sock: socket.socket, state: str) -> None:
        self._sock = sock
        self._state = state
        self._callback: Callback | None = None
        self._arrived = threading.Event()
        self._answered = threading.Event()
        self._sent = threading.Event()
        self._closed = threading.Event()
        self._connections = Connections[socket.socket](_AT_ONCE, hang_up, lambda connection: connection)
        self._outcome: pages.Outcome | None = None
        self.port: int = sock.getsockname()[1]
        self.redirect_uri = f"http://127.0.0.1:{self.port}{CALLBACK_PATH}"

    def wait(self, seconds: float, is_attended: Callable[[], bool]) -> Callback | None:
        """What the browser brought; None when it did not come in time, or the caller waits no longer."""
        end = time.monotonic() + seconds
        while not self._arrived.wait(_POLL_SECONDS):
            if time.monotonic() > end or not is_attended():
                return None
        return self._callback

    def finish(self, outcome: pages.Outcome = "failed") -> None:
        """Shows the outcome in the waiting browser; the first call counts."""
        self._outcome = self._outcome or outcome
        self._answered.set()

    def drain(self, seconds: float) -> None:
        """Waits until the browser has its page, at most so many seconds."""
        if self._arrived.is_set():
            self._sent.wait(seconds)

    def close(self) -> None:
        """Takes no more connections."""
        self._closed.set()
        # close() alone leaves a thread in accept(2), and with it the port.
        hang_up(self._sock)
        self._sock.close()

    def serve(self) -> None:
        """Takes connections until the socket is closed."""
        request_head.serve(self._sock, self._connections, self._respond, self._closed.is_set)

    def _respond(self, connection: socket.socket, asked: Request) -> None:
        try:
            connection.sendall(self._answer(connection, asked))
            connection.shutdown(socket.SHUT_WR)
        finally:
            if self._answered.is_set():
                self._sent.set()

    def _answer(self, connection: socket.socket, asked: Request) -> bytes:
        parts = urlsplit(asked.target.decode("latin-1"))
        host = dict(asked.headers).get(b"host", b"").decode("latin-1")
        if asked.method not in (b"GET", b"HEAD"):
            return pages.bare(405)
        # A foreign page whose name resolves to 127.0.0.1 sends that name (DNS rebinding).
        if host not in (f"127.0.0.1:{self.port}", f"localhost:{self.port}") or parts.path != CALLBACK_PATH:
            return pages.bare(404)
        fields = dict(parse_qsl(parts.query))
        if not hmac.compare_digest(fields.get("state", "").encode(), self._state.encode()):
            return pages.render("other-state")
        self._connections.prove(connection)
        if asked.method == b"HEAD":
            return pages.bare(200)
        if self._arrived.is_set():
            return pages.render("second-visit")
        self._callback = Callback(fields.get("code"), fields.get("error"), fields.get("error_description"))
        self._arrived.set()
        # The page says what came of the code, not only that it arrived.
        self._answered.wait(30)
        return pages.render(self._outcome or "failed")


@contextmanager
def listening(state: str) -> Iterator[Listener]:
    """A listener on a free port of 127.0.0.1 until the block ends. Raises SessionError when there is none."""
    try:
        sock = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
    except OSError as error:
        raise SessionError(
            f"no port of this machine is free for the browser ({error.strerror}): use --device-code"
        ) from error
    listener = Listener(sock, state)
    threads.start(listener.serve)
    try:
        yield listener
    finally:
        listener.finish()
        listener.close()
        # This process may end right after: the browser gets its last page first.
        listener.drain(1.0)
