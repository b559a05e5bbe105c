"""A small HTTP server for this machine's own programs: bounded, and particular about who speaks to it."""

import json
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import BaseServer, ThreadingMixIn
from typing import Any

from shellvault import threads
from shellvault.connections import Connections, users
from shellvault.loopback import is_loopback

#: Connections at once.
CONNECTIONS = 64

#: Connections that wait to be accepted; the system's own limit is smaller (listen(2)).
BACKLOG = 4096

#: Seconds that a connection lives at most: an agent takes 25 to get a session (agent.endpoint.PATIENCE).
DEADLINE = 35.0

#: Seconds that a connection may be silent.
SILENCE = 5.0


class Server(ThreadingMixIn, BaseServer):
    """Serves a listening socket with a thread for each connection."""

    daemon_threads = True
    block_on_close = False

    def __init__(
        self,
        listener: socket.socket,
        handler: type["Handler"],
        hosts: frozenset[str] | None,
        user: int | None = None,
    ) -> None:
        """`hosts`: the Host headers that are ours (None: any, on a Unix socket). `user`: whose local programs are
        served, and nobody else's (None: everybody's, by a token)."""
        super().__init__(listener.getsockname(), handler)
        self.socket = listener
        self.hosts = hosts
        self.user = user
        self.connections = Connections[socket.socket](CONNECTIONS, _hang_up, lambda connection: connection)

    def fileno(self) -> int:
        """For the selector of `serve_forever`."""
        return self.socket.fileno()

    def get_request(self) -> tuple[socket.socket, object]:
        """The next connection."""
        connection, address = self.socket.accept()
        connection.settimeout(SILENCE)
        return connection, address

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether the other side may speak at all."""
        return self.user is None or is_local(request)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answers in a thread of its own, if there is a place."""
        if self.connections.admit(request):
            threads.start(self.process_request_thread, request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """One connection, which no drip of bytes keeps open."""
        end = threads.after(DEADLINE, _hang_up, request)
        try:
            super().process_request_thread(request, client_address)
        finally:
            end.cancel()
            self.connections.leave(request)

    def shutdown_request(self, request: Any) -> None:
        """Ends a connection."""
        _hang_up(request)
        request.close()

    def close_request(self, request: Any) -> None:
        """Nothing more is to be done than `shutdown_request` does."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """What others send or leave costs nobody else anything, and no traceback."""

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serves in a thread for as long as the context lasts."""
        threads.start(self.serve_forever, 0.1)
        try:
            yield
        finally:
            self.shutdown()
            self.socket.close()


class Handler(BaseHTTPRequestHandler):
    """One request a connection. Others say what they answer."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "shellvault", ""

    def is_for_us(self) -> bool:
        """Whether its user and its Host header are ours; answers 403 itself when the latter is not.

        A page in a browser that has been made to believe our address is its own server's still names its own host.
        """
        # Looked up for a whole request alone: idle connections cost nothing.
        if self.server.user is not None and not is_of(self.server.user, self.connection):
            self.close_connection = True
            return False
        named = self.headers.get_all("Host") or []
        if self.server.hosts is None or (len(named) == 1 and named[0].lower() in self.server.hosts):
            # A whole request: it is answered now, and its end is near.
            self.server.connections.prove(self.connection)
            return True
        self.refuse(403, "Forbidden", "wrong Host header")
        return False

    def answer(
        self, status: int, body: bytes, content_type: str, headers: Mapping[str, str] | None = None
    ) -> None:
        """Sends the whole reply."""
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status: int, code: str, message: str) -> None:
        """Sends an error as the agent's endpoint writes them."""
        self.answer(status, json.dumps({"code": code, "message": message}).encode(), "application/json")

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What http.server itself refuses."""
        self.refuse(int(code), "BadRequest", "not a request that is served here")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the terminal is the child's."""


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def is_local(connection: socket.socket) -> bool:
    """Whether a TCP connection comes from this machine: from a loopback address, or from the very one it went to."""
    address = connection.getpeername()[0]
    return is_loopback(address) or address == connection.getsockname()[0]


def is_of(user: int, connection: socket.socket) -> bool:
    """Whether a local TCP connection is one of this user's processes, or of root's.

    Where the system does not say so, it is.
    """
    return sys.platform != "linux" or users([connection])[0] in (0, user)


def listen(address: str, port: int) -> socket.socket:
    """A listener on one IPv4 address whose answers reach no further than this machine and its own networks: each
    router on the way takes one from the time to live, which is 1 (ip(7)). Raises OSError."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)
        listener.bind((address, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


@contextmanager
def listen_in(path: Path) -> Iterator[socket.socket]:
    """A listener on a Unix socket that only this user may connect to, gone with the context. Raises OSError."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with listener:
        _remove_left(path)
        before = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
        listener.listen(BACKLOG)
        try:
            yield listener
        finally:
            path.unlink(missing_ok=True)


def _remove_left(path: Path) -> None:
    """Removes a socket that nobody listens on any more. Raises OSError when somebody does."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(SILENCE)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
