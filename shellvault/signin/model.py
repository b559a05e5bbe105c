"""The parts of a sign-in, and their plain data in the vault. Times are epoch seconds."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_VISIBLE = re.compile(r"[!-~]{1,65536}")


@dataclass(frozen=True, slots=True)
class Client:
    """A registration at IAM Identity Center (RegisterClient); AWS keeps it for 90 days."""

    client_id: str
    client_secret: str = field(repr=False)
    expires_at: int

    def to_json(self) -> dict[str, Any]:
        """The plain data that is kept."""
        return {
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "expires_at": self.expires_at,
        }

    @classmethod
    def from_json(cls, data: object) -> "Client | None":
        """Rebuilds what `to_json` gave; None for anything else."""
        if not isinstance(data, Mapping):
            return None
        client_id, secret, expires_at = (
            data.get(key) for key in ("client_id", "client_secret", "expires_at")
        )
        if not (is_visible(client_id) and is_visible(secret) and type(expires_at) is int):
            return None
        return cls(str(client_id), str(secret), expires_at)


@dataclass(frozen=True, slots=True)
class Token:
    """A sign-in to IAM Identity Center."""

    access_token: str = field(repr=False)
    issued_at: int
    expires_at: int
    refresh_token: str | None = field(repr=False, default=None)
    client: Client | None = None
    """The only client that can use the refresh token."""

    @property
    def digest(self) -> str:
        """Names a token that AWS refused, without showing it."""
        return digest_of(self.access_token)

    def can_refresh(self, now: float) -> bool:
        """Whether it can be renewed without a person, unless AWS refuses."""
        return bool(self.refresh_token and self.client and self.client.expires_at > now)

    def to_json(self) -> dict[str, Any]:
        """The plain data that is kept."""
        return {
            "access_token": self.access_token,
            "issued_at": self.issued_at,
            "expires_at": self.expires_at,
            "refresh_token": self.refresh_token,
            "client": self.client.to_json() if self.client else None,
        }

    @classmethod
    def from_json(cls, data: object) -> "Token | None":
        """Rebuilds what `to_json` gave; None for anything else."""
        if not isinstance(data, Mapping):
            return None
        issued_at, expires_at = data.get("issued_at"), data.get("expires_at")
        access, refresh = data.get("access_token"), data.get("refresh_token")
        if not is_visible(access) or type(issued_at) is not int or type(expires_at) is not int:
            return None
        return cls(
            str(access),
            issued_at,
            expires_at,
            str(refresh) if is_visible(refresh) else None,
            Client.from_json(data.get("client")),
        )


def digest_of(access_token: str) -> str:
    """The name of an access token that does not show it."""
    return hashlib.sha256(access_token.encode()).hexdigest()


def is_visible(value: object) -> bool:
    """Whether this is text without blanks and control characters, as every token is."""
    return isinstance(value, str) and _VISIBLE.fullmatch(value) is not None
