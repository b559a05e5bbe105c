"""A small HTTP server for programs on this machine: limited resources, and checks on every client."""

import json
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import BaseServer, ThreadingMixIn
from typing import Any

from shellvault import threads
from shellvault.connections import Connections, hang_up, users
from shellvault.loopback import is_loopback

#: Most connections at once.
CONNECTIONS = 64

#: Most connections that wait to be accepted; the system's limit is smaller (listen(2)).
BACKLOG = 4096

#: Most seconds of a connection: the agent takes up to 25 to get a session (agent.endpoint.PATIENCE).
DEADLINE = 35.0

#: Seconds that a connection may be silent.
SILENCE = 5.0


class Server(ThreadingMixIn, BaseServer):
    """Serves a listening socket, one thread per connection."""

    daemon_threads = True
    block_on_close = False

    def __init__(
        self,
        listener: socket.socket,
        handler: type["Handler"],
        hosts: frozenset[str] | None,
        user: int | None = None,
    ) -> None:
        """`hosts`: the accepted Host headers (None: any, on a Unix socket). `user`: the only user whose local programs
        are served (None: every user's, with a token)."""
        super().__init__(listener.getsockname(), handler)
        self.socket = listener
        self.hosts = hosts
        self.user = user
        self.connections = Connections[socket.socket](CONNECTIONS, hang_up, lambda connection: connection)

    def fileno(self) -> int:
        """For the selector of `serve_forever`."""
        return self.socket.fileno()

    def get_request(self) -> tuple[socket.socket, object]:
        """The next connection."""
        connection, address = self.socket.accept()
        connection.settimeout(SILENCE)
        return connection, address

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether the client may connect."""
        return self.user is None or is_local(request)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answers in a new thread, if the limit allows it."""
        if self.connections.admit(request):
            threads.start(self.process_request_thread, request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """One connection, closed at its deadline even if bytes still drip in."""
        end = threads.after(DEADLINE, hang_up, request)
        try:
            super().process_request_thread(request, client_address)
        finally:
            end.cancel()
            self.connections.leave(request)

    def shutdown_request(self, request: Any) -> None:
        """Ends a connection."""
        hang_up(request)
        request.close()

    def close_request(self, request: Any) -> None:
        """Nothing: `shutdown_request` closes the connection."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: an error of one client prints no traceback and affects no other."""

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
    """One request per connection. Subclasses define the replies."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "shellvault", ""

    def is_for_us(self) -> bool:
        """Whether its user and Host header are accepted; replies 403 for a wrong Host header.

        DNS rebinding lets a web page reach this address, but its requests still name its own host.
        """
        # Only for a complete request: idle connections cost no lookup.
        if self.server.user is not None and not is_of(self.server.user, self.connection):
            self.close_connection = True
            return False
        named = self.headers.get_all("Host") or []
        if self.server.hosts is None or (len(named) == 1 and named[0].lower() in self.server.hosts):
            # The request is complete and is answered now.
            self.server.connections.prove(self.connection)
            return True
        self.refuse(403, "Forbidden", "wrong Host header")
        return False

    def answer(
        self, status: int, body: bytes, content_type: str, headers: Mapping[str, str] | None = None
    ) -> None:
        """Sends the reply."""
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
        """Sends an error in the format of the agent's endpoint."""
        self.answer(status, json.dumps({"code": code, "message": message}).encode(), "application/json")

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Replies to requests that http.server refuses."""
        self.refuse(int(code), "BadRequest", "this request is not supported")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the terminal belongs to the child process."""


def is_local(connection: socket.socket) -> bool:
    """Whether a TCP connection comes from this machine: from a loopback address, or from its target address."""
    address = connection.getpeername()[0]
    return is_loopback(address) or address == connection.getsockname()[0]


def is_of(user: int, connection: socket.socket) -> bool:
    """Whether a local TCP connection belongs to a process of this user or of root.

    True if the system cannot say.
    """
    return sys.platform != "linux" or users([connection])[0] in (0, user)


def listen(address: str, port: int) -> socket.socket:
    """A listener on one IPv4 address. Its replies do not leave this machine and its own networks: the time to live is
    1, and every router takes one from it (ip(7)). Raises OSError."""
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
    """A listener on a Unix socket for this user alone, removed with the context. Raises OSError."""
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
    """Removes a socket without a listener. Raises OSError if a process still listens."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(SILENCE)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
