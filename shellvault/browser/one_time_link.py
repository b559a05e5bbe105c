"""A link to this machine that redirects to another link, once, and only for a process of the same user.

Every user of the machine can read the command lines of programs, and browsers run for days. The command line shows
this link, which is worthless once it was used.
"""

import hmac
import os
import secrets
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from h11 import Request

from shellvault import request_head, threads
from shellvault.connections import Connections, hang_up, users

#: Most connections at once, and most that wait to be accepted.
_AT_ONCE, _BACKLOG = 64, 4096
#: Seconds between two checks whether the link is still needed.
_POLL_SECONDS = 0.2

_HEADERS = "Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class OneTimeLink:
    """Serves one redirection from a free port of 127.0.0.1."""

    def __init__(self, target: str) -> None:
        """`target` is the URL to redirect to, in ASCII."""
        self._target = target
        self._path = f"/{secrets.token_urlsafe(32)}"
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        self._listener.settimeout(_POLL_SECONDS)
        self._connections = Connections[socket.socket](_AT_ONCE, hang_up, lambda connection: connection)
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._closed = False
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}{self._path}"
        """Valid until it is used, or the block ends."""
        threads.start(self._serve)

    def wait(self, seconds: float) -> bool:
        """Waits until a browser was redirected. False if none came in time."""
        return self._done.wait(seconds)

    def close(self) -> None:
        """Stops serving."""
        self._closed = True

    def _serve(self) -> None:
        with self._listener:
            request_head.serve(self._listener, self._connections, self._answer, self._is_over)

    def _is_over(self) -> bool:
        return self._closed or self._done.is_set()

    def _answer(self, connection: socket.socket, asked: Request) -> None:
        with self._lock:
            is_ours = hmac.compare_digest(asked.target, self._path.encode()) and _is_same_user(connection)
            if is_ours and asked.method == b"GET":
                # Marked as used before it is sent: a second request must find nothing.
                self._path = f"/{secrets.token_urlsafe(32)}"
        if is_ours and asked.method == b"GET":
            self._connections.prove(connection)
            connection.sendall(
                f"HTTP/1.1 302 Found\r\nLocation: {self._target}\r\n{_HEADERS}".encode("ascii")
            )
            self._done.set()
        else:
            connection.sendall(f"HTTP/1.1 404 Not Found\r\n{_HEADERS}".encode("ascii"))


@contextmanager
def one_time_link(target: str) -> Iterator[OneTimeLink]:
    """A link to `target` that is served until the block ends. Raises OSError when no port is free."""
    link = OneTimeLink(target)
    try:
        yield link
    finally:
        link.close()


def _is_same_user(connection: socket.socket) -> bool:
    """Whether the other end of a loopback connection belongs to this user, if the kernel says so (Linux)."""
    if sys.platform != "linux":
        return True
    return users([connection])[0] in (0, os.getuid())
