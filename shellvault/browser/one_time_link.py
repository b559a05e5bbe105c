"""A link to this machine that leads on to another one, once, and only for a process of the same user.

Programs keep what they were started with on their command line, where every user of the machine can read it,
and browsers run for days. What stands there is this link, which is worth nothing as soon as it was used.
"""

import hmac
import os
import secrets
import select
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from shellvault import threads

#: Seconds for one browser's request, and bytes of its head.
_REQUEST_SECONDS, _REQUEST_BYTES = 5.0, 16384

_HEADERS = "Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class OneTimeLink:
    """Serves one redirection from a free port of 127.0.0.1."""

    def __init__(self, target: str) -> None:
        """`target` is where it leads, an ASCII URL."""
        self._target = target
        self._path = f"/{secrets.token_urlsafe(32)}"
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._done = threading.Event()
        self._closed = False
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}{self._path}"
        """Valid until it is used, or the block ends."""
        threads.start(self._serve)

    def wait(self, seconds: float) -> bool:
        """Waits until a browser was led on. False when none has come in time."""
        return self._done.wait(seconds)

    def close(self) -> None:
        """Ends the service."""
        self._closed = True

    def _serve(self) -> None:
        with self._listener:
            while not (self._closed or self._done.is_set()):
                if not select.select([self._listener], [], [], 0.2)[0]:
                    continue
                connection, peer = self._listener.accept()
                with closing(connection):
                    self._answer(connection, peer[1])

    def _answer(self, connection: socket.socket, peer_port: int) -> None:
        try:
            method, path = _request(connection)
            is_ours = hmac.compare_digest(path, self._path.encode()) and _is_same_user(
                peer_port, self._listener.getsockname()[1]
            )
            if method == b"GET" and is_ours:
                # Spent before it is sent: a second request that comes meanwhile finds nothing.
                self._path = f"/{secrets.token_urlsafe(32)}"
                connection.sendall(
                    f"HTTP/1.1 302 Found\r\nLocation: {self._target}\r\n{_HEADERS}".encode("ascii")
                )
                self._done.set()
            else:
                connection.sendall(f"HTTP/1.1 404 Not Found\r\n{_HEADERS}".encode("ascii"))
        except (OSError, ValueError):
            return


@contextmanager
def one_time_link(target: str) -> Iterator[OneTimeLink]:
    """A link to `target` that is served until the block ends. Raises OSError when no port is free."""
    link = OneTimeLink(target)
    try:
        yield link
    finally:
        link.close()


def _request(connection: socket.socket) -> tuple[bytes, bytes]:
    """Method and path of an HTTP request. Raises ValueError for none, OSError and TimeoutError."""
    deadline = time.monotonic() + _REQUEST_SECONDS
    head = b""
    while b"\r\n\r\n" not in head:
        connection.settimeout(max(0.01, deadline - time.monotonic()))
        data = connection.recv(4096)
        head += data
        if not data or len(head) > _REQUEST_BYTES or time.monotonic() > deadline:
            raise ValueError("not a request")
    method, path, *_ = head.split(b" ", 2)
    return method, path


def _is_same_user(peer_port: int, our_port: int) -> bool:
    """Whether the other end of a loopback connection belongs to this user, where the kernel tells (Linux).

    proc_net_tcp: `sl local_address rem_address st … uid`, addresses in hexadecimal.
    """
    if sys.platform != "linux":
        return True
    try:
        lines = Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]
    except OSError:
        return True
    for line in lines:
        fields = line.split()
        if fields[1].endswith(f":{peer_port:04X}") and fields[2].endswith(f":{our_port:04X}"):
            return int(fields[7]) in (os.getuid(), 0)
    return False
