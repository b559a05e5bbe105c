"""The EC2 instance metadata service, version 2 only: SDKs ask it when they find no other credentials.

Protocol: "Use the Instance Metadata Service" of the EC2 user guide. A client must first get a token with PUT, which a
page in a browser cannot.
"""

import hashlib
import hmac
import json
import secrets
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from shellvault.servers.address import ADDRESS
from shellvault.servers.listening import Handler, Server

#: The role name in the reply, the same as aws-vault's.
ROLE = "local-credentials"

TOKEN, TOKEN_LIFE = "X-aws-ec2-metadata-token", "X-aws-ec2-metadata-token-ttl-seconds"

#: Most seconds of a token's life.
LONGEST_LIFE = 21600

CREDENTIALS = "/latest/meta-data/iam/security-credentials/"

#: Why the program at the other end of a connection gets no session; "" where it does.
Refusal = Callable[[socket.socket], str]

#: Returns the session in the format of the agent's endpoint, or raises ValueError with the reason.
Source = Callable[[], dict[str, Any]]


class MetadataServer(Server):
    """Serves the sessions of `source` on `listener`, to the local programs of one user."""

    def __init__(
        self,
        listener: socket.socket,
        source: Source,
        region: str,
        user: int,
        refusal: Refusal = lambda connection: "",
    ) -> None:
        address, port = listener.getsockname()
        hosts = {f"{address}:{port}", f"localhost:{port}", ADDRESS, f"{ADDRESS}:80"}
        super().__init__(listener, _Exchange, frozenset(hosts), user)
        self.source = source
        self.refusal = refusal
        self.region = region
        self._key = secrets.token_bytes(32)

    def token(self, life: int) -> str:
        """A token that is valid for `life` seconds."""
        return self._signed(f"{secrets.token_urlsafe(8)}.{int(time.time()) + life}")

    def is_token(self, token: str) -> bool:
        """Whether this server issued `token`, and it is still valid."""
        body, _, _ = token.rpartition(".")
        if not token.isascii() or not hmac.compare_digest(self._signed(body), token):
            return False
        return int(body.rpartition(".")[2]) > time.time()

    def _signed(self, body: str) -> str:
        return f"{body}.{hmac.new(self._key, body.encode(), hashlib.sha256).hexdigest()}"


class _Exchange(Handler):
    server: MetadataServer

    def do_PUT(self) -> None:  # noqa: N802 - http.server's name
        """A token for the requested time. As at AWS, proxied requests are refused."""
        if not self.is_for_us():
            return
        if self.headers.get("X-Forwarded-For"):
            self.refuse(403, "Forbidden", "token requests through a proxy are refused")
            return
        life = self.headers.get(TOKEN_LIFE, "")
        if self.path != "/latest/api/token":
            self.refuse(404, "NotFound", "there is nothing at this path")
        elif not (life.isascii() and life.isdecimal() and len(life) < 6 and 1 <= int(life) <= LONGEST_LIFE):
            self.refuse(400, "BadRequest", f"{TOKEN_LIFE} is missing, or not 1 to {LONGEST_LIFE}")
        else:
            self.answer(200, self.server.token(int(life)).encode(), "text/plain", {TOKEN_LIFE: life})

    def do_GET(self) -> None:  # noqa: N802 - http.server's name
        """The metadata at the path; needs a token."""
        if not self.is_for_us():
            return
        if not self.server.is_token(self.headers.get(TOKEN, "")):
            self.refuse(401, "Unauthorized", "a token is needed: PUT /latest/api/token")
            return
        path = self.path.partition("?")[0]
        if path == CREDENTIALS + ROLE:
            self.answer(200, json.dumps(self._credentials()).encode(), "application/json")
        elif text := self._texts().get(path.rstrip("/")):
            self.answer(200, text.encode(), "text/plain")
        else:
            self.refuse(404, "NotFound", "there is nothing at this path")

    def _texts(self) -> dict[str, str]:
        region = self.server.region
        placement = "/latest/meta-data/placement"
        return {
            CREDENTIALS.rstrip("/"): ROLE,
            "/latest/meta-data/instance-id": "shellvault",
            "/latest/meta-data/iam/info": json.dumps({"Code": "Success"}),
            "/latest/dynamic/instance-identity/document": json.dumps({"region": region}),
            f"{placement}/region": region,
            # Older SDKs read the region here: the zone without its last letter.
            f"{placement}/availability-zone": region and f"{region}a",
        }

    def _credentials(self) -> dict[str, Any]:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        try:
            if reason := self.server.refusal(self.connection):
                raise ValueError(reason)
            session = self.server.source()
        except ValueError as error:
            # AWS replies so for a role that cannot be assumed: SDKs show the message.
            return {"Code": "AssumeRoleUnauthorizedAccess", "Message": str(error), "LastUpdated": now}
        fields = {name: session[name] for name in ("AccessKeyId", "SecretAccessKey", "Token", "Expiration")}
        return {"Code": "Success", "LastUpdated": now, "Type": "AWS-HMAC", **fields}
