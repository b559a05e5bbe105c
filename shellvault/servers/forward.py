"""Sends requests on to a server that their sender cannot reach: from a container to the agent's endpoint.

Nothing is answered without a token, which the server behind judges.
"""

import http.client
import socket

from shellvault.servers.listening import Handler, Server
from shellvault.servers.metadata import TOKEN, TOKEN_LIFE
from shellvault.servers.upstream import Target, ask

#: What is sent on; nothing else that a sender says reaches the server behind.
HEADERS = ("Authorization", TOKEN, TOKEN_LIFE)


class Forwarder(Server):
    """Sends what arrives on `listener` on to `target`."""

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
            self.refuse(403, "Forbidden", "not by way of another proxy")
            return
        try:
            answer = ask(self.server.target, method, self.path, headers)
        except (OSError, http.client.HTTPException, ValueError):
            self.refuse(502, "NoEndpoint", "the command whose session this is has ended: start it again")
            return
        more = {TOKEN_LIFE: answer.headers[TOKEN_LIFE]} if TOKEN_LIFE in answer.headers else {}
        self.answer(answer.status, answer.body, answer.content_type, more)
