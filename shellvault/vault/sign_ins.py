"""Sign-ins in the vault: the tokens that AWS gave for a browser sign-in, and their renewal.

They are no cache, so they are stored apart from sessions: `clear` leaves them, and a lost one costs the person a
sign-in. Each has one item, and an index lists them, as in `vault`.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from shellvault.attempts import attempt_all
from shellvault.vault.items import Items

INDEX = "index/sign-ins"


@dataclass(frozen=True, slots=True)
class SignInLabel:
    """The index entry of a sign-in."""

    kind: str
    """`sso` (IAM Identity Center), `aws` (AWS sign-in), or `client` (registration of one in the AWS CLI's cache)."""
    subject: str
    """The name of the sso-session, the start URL or the login_session."""
    expires_at: int
    """Epoch seconds: the end of its use, renewals included."""
    valid_until: int = 0
    """Epoch seconds: the end of its present token, which may be renewed."""


class SignIns:
    """Sign-ins by the fingerprint of their step."""

    def __init__(
        self,
        items: Items,
        writing: Callable[[], AbstractContextManager[None]],
        forgetting: Callable[[], AbstractContextManager[None]],
    ) -> None:
        """`writing` and `forgetting` are those of the store (`Store`)."""
        self._items = items
        self._writing = writing
        self._forgetting = forgetting

    def load(self, fingerprint: str) -> dict[str, Any] | None:
        """The data of a sign-in; None if it is missing or damaged. Raises VaultError."""
        try:
            data = self._items.read(_item(fingerprint))
        except ValueError:
            return None
        return data if isinstance(data, dict) else None

    def save(self, fingerprint: str, label: SignInLabel, data: dict[str, Any], now: float) -> None:
        """Stores a sign-in in place of an older one, and forgets ended ones. Raises VaultError."""
        with self._writing():
            self._items.write(_item(fingerprint), data)
            index = {**self.labels(), fingerprint: label}
            ended = [name for name, its in index.items() if its.expires_at <= now and name != fingerprint]
            self._forget(index, ended)

    def labels(self) -> dict[str, SignInLabel]:
        """The stored sign-ins by fingerprint; some may have ended. Raises VaultError."""
        try:
            found = self._items.read(INDEX)
        except ValueError:
            return {}
        entries = found.items() if isinstance(found, dict) else ()
        return {str(name): label for name, data in entries if (label := _label(data))}

    def clear(self) -> None:
        """Removes every sign-in and registration. Raises VaultError."""
        with self._forgetting():
            self._forget(self.labels(), list(self.labels()))

    def remove(self, fingerprint: str) -> bool:
        """Removes a sign-in. Returns whether there was one. Raises VaultError."""
        if self.load(fingerprint) is None and fingerprint not in self.labels():
            return False
        with self._forgetting():
            self._forget(self.labels(), [fingerprint])
        return True

    def _forget(self, index: dict[str, SignInLabel], fingerprints: list[str]) -> None:
        kept = {name: asdict(label) for name, label in index.items() if name not in fingerprints}
        removals = [partial(self._items.remove, _item(fingerprint)) for fingerprint in fingerprints]
        attempt_all([partial(self._items.write, INDEX, kept), *removals])


def _item(fingerprint: str) -> str:
    return f"sign-ins/{fingerprint}"


def _label(data: Any) -> SignInLabel | None:
    match data:
        case {"kind": str(kind), "subject": str(subject), "expires_at": int(expires_at)}:
            valid_until = data.get("valid_until")
            return SignInLabel(
                kind, subject, expires_at, valid_until if type(valid_until) is int else expires_at
            )
    return None
