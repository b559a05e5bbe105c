"""Forwards requests to a server that their sender cannot reach: from a container to the agent's endpoint.

Every request needs a token, which the target server checks.
"""

import http.client
import socket

from shellvault.servers.listening import Handler, Server
from shellvault.servers.metadata import TOKEN, TOKEN_LIFE
from shellvault.servers.upstream import Target, ask

#: The headers that are forwarded; all others are dropped.
HEADERS = ("Authorization", TOKEN, TOKEN_LIFE)


class Forwarder(Server):
    """Forwards requests from `listener` to `target`."""

    def __init__(
        self, listener: socket.socket, target: Target, hosts: frozenset[str] | None, user: int | None
    ) -> None:
        super().__init__(listener, _Exchange, hosts, user)
        self.target = target


class _Exchange(Handler):
    server: Forwarder

    def do_PUT(self) -> None:  # noqa: N802 - http.server's name
        """A metadata service's token."""
        self._send_on("PUT")

    def do_GET(self) -> None:  # noqa: N802 - http.server's name
        """A session."""
        self._send_on("GET")

    def _send_on(self, method: str) -> None:
        if not self.is_for_us():
            return
        headers = {name: value for name in HEADERS if (value := self.headers.get(name))}
        if not headers:
            self.refuse(401, "Unauthorized", "a token is needed: AWS_CONTAINER_AUTHORIZATION_TOKEN")
            return
        if self.headers.get("X-Forwarded-For"):
            self.refuse(403, "Forbidden", "requests through another proxy are refused")
            return
        try:
            answer = ask(self.server.target, method, self.path, headers)
        except (OSError, http.client.HTTPException, ValueError):
            self.refuse(502, "NoEndpoint", "the command that serves this session has ended: start it again")
            return
        more = {TOKEN_LIFE: answer.headers[TOKEN_LIFE]} if TOKEN_LIFE in answer.headers else {}
        self.answer(answer.status, answer.body, answer.content_type, more)
