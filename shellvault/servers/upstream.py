"""The target of forwarded requests: the agent's endpoint or a metadata service, over TCP or a Unix socket."""

import http.client
import socket
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from shellvault.errors import UsageError
from shellvault.loopback import is_loopback

#: Deadline of a reply in seconds: longer than the agent's own.
PATIENCE = 30.0

#: Most bytes of a reply.
LIMIT = 64 * 1024

#: Names that containers in a virtual machine use for the host (Docker Desktop, podman machine).
HOSTS = ("host.docker.internal", "host.containers.internal")


class Target(NamedTuple):
    """A server on this machine: a Unix socket, or a host and a port."""

    path: str
    host: str
    port: int


class Answer(NamedTuple):
    """The reply."""

    status: int
    content_type: str
    headers: Mapping[str, str]
    body: bytes


def parse(text: str) -> Target:
    """The target of `unix:/PATH` or `http://HOST:PORT/…`. Raises UsageError for one beyond this machine."""
    if text.startswith("unix:"):
        return Target(text.removeprefix("unix:"), "", 0)
    try:
        url = urlsplit(text)
        host, port = url.hostname or "", url.port or 80
    except ValueError:
        host, port = "", 0
    if not host or url.scheme != "http" or url.username is not None:
        raise UsageError(f"not a target: {text!r} (http://127.0.0.1:PORT, or unix:/PATH)")
    if host not in HOSTS and not is_loopback(host):
        raise UsageError(f"{host} is not this machine: a session would go there unencrypted")
    return Target("", host, port)


def ask(target: Target, method: str, path: str, headers: Mapping[str, str]) -> Answer:
    """Forwards one request. Raises OSError, and http.client.HTTPException for a bad reply."""
    connection = _Connection(target)
    try:
        # The agent's endpoint accepts this Host header only.
        connection.request(method, path, headers={**headers, "Host": f"127.0.0.1:{target.port}"})
        reply = connection.getresponse()
        body = reply.read(LIMIT + 1)
        if len(body) > LIMIT:
            raise http.client.HTTPException("the reply is too long")
        kind = reply.getheader("Content-Type") or "text/plain"
        return Answer(reply.status, kind, dict(reply.getheaders()), body)
    finally:
        connection.close()


class _Connection(http.client.HTTPConnection):
    def __init__(self, target: Target) -> None:
        super().__init__(target.host or "localhost", target.port or None, timeout=PATIENCE)
        self._path = target.path

    def connect(self) -> None:
        if not self._path:
            super().connect()
            return
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self._path)
