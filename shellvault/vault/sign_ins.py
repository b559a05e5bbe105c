"""Sign-ins in the vault: what AWS gave when a person signed in through a browser, and how it is renewed.

They lie apart from sessions, since they are no cache: `clear` leaves them, and what is lost costs a person a
sign-in. Beside one item each lies an index, as in `vault`.
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
    """What is known of a sign-in without reading it."""

    kind: str
    """`sso` (IAM Identity Center), `aws` (AWS sign-in), or `client`: whose sign-in of ours the AWS CLI's cache has."""
    subject: str
    """The name of the sso-session, the start URL or the login_session."""
    expires_at: int
    """Epoch seconds: until when it is of use at all."""
    valid_until: int = 0
    """Epoch seconds: the end of what it has now, which may be renewed."""


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
        """The data of a sign-in; None when there is none or it is damaged. Raises VaultError."""
        try:
            data = self._items.read(_item(fingerprint))
        except ValueError:
            return None
        return data if isinstance(data, dict) else None

    def save(self, fingerprint: str, label: SignInLabel, data: dict[str, Any], now: float) -> None:
        """Stores a sign-in in place of an older one, and forgets what has ended. Raises VaultError."""
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
        """Removes all of them, registrations too. Raises VaultError."""
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
