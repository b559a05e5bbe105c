"""The secrets of one sign-in through a browser (RFC 7636, RFC 6749 10.12)."""

import base64
import hashlib
import secrets
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secrets by which only this process can redeem the browser's answer."""

    state: str = field(repr=False)
    verifier: str = field(repr=False)

    @property
    def challenge(self) -> str:
        """The unpadded base64url of the verifier's SHA-256."""
        digest = hashlib.sha256(self.verifier.encode("ascii")).digest()
        return base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")


def new_secrets() -> Secrets:
    """A fresh state and a verifier of 64 characters."""
    return Secrets(secrets.token_urlsafe(24), secrets.token_urlsafe(48))
