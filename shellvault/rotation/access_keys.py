"""The access keys of one IAM user (IAM API Reference)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from shellvault.errors import SessionError
from shellvault.plan import Endpoint
from shellvault.sessions.calls import invoke
from shellvault.sessions.model import Session
from shellvault.sessions.refusals import RefusedError
from shellvault.vault import StoredKeys

#: NoSuchEntity is no error for these: an earlier run of the rotation may have done them already.
_GONE_IS_FINE = ("delete_access_key", "update_access_key")


@dataclass(frozen=True, slots=True)
class AccessKey:
    """One access key as IAM lists it; `created_at` in epoch seconds."""

    access_key_id: str
    is_active: bool
    created_at: int


class AccessKeys(Protocol):
    """The IAM calls of a rotation. Every call raises SessionError (RefusedError when AWS refuses)."""

    def identity(self, keys: StoredKeys) -> str:
        """The ARN behind a key pair (sts:GetCallerIdentity, which needs no permission)."""

    def sign_with(self, keys: StoredKeys) -> None:
        """Signs with these keys from now on, if the user's own keys (no session) have signed so far."""

    def all(self) -> list[AccessKey]:
        """Every access key of the user."""

    def last_used(self, access_key_id: str) -> int | None:
        """When a key was last used, in epoch seconds; None: never, or unknown."""

    def create(self) -> tuple[StoredKeys, int]:
        """A new key pair, and when it was made."""

    def deactivate(self, access_key_id: str) -> None:
        """Makes a key inactive; a missing key is no error."""

    def delete(self, access_key_id: str) -> None:
        """Deletes a key; a missing key is no error."""


class IamAccessKeys:
    """The access keys of a session's user, through the IAM API."""

    def __init__(self, iam: Endpoint, sts: Endpoint, session: Session) -> None:
        """`session` signs every call but `identity`: a session of the user, or the user's own keys.

        Raises SessionError if it does not belong to a user.
        """
        self._iam_endpoint, self._sts_endpoint, self._session = iam, sts, session
        arn = self._identity(session)
        kind, _, path = arn.split(":", 5)[-1].partition("/")
        if kind != "user":
            raise SessionError(
                f"these credentials belong to {arn}, not to an IAM user: only a user's access keys can be rotated"
            )
        self._user = {"UserName": path.rpartition("/")[2]}

    def identity(self, keys: StoredKeys) -> str:
        """See AccessKeys."""
        return self._identity(Session(keys.access_key_id, keys.secret_access_key))

    def sign_with(self, keys: StoredKeys) -> None:
        """See AccessKeys."""
        if self._session.session_token is None:
            self._session = Session(keys.access_key_id, keys.secret_access_key)

    def all(self) -> list[AccessKey]:
        """See AccessKeys."""
        found = self._iam("list_access_keys").get("AccessKeyMetadata", ())
        return [
            AccessKey(key["AccessKeyId"], key["Status"] == "Active", _epoch(key["CreateDate"]))
            for key in found
        ]

    def last_used(self, access_key_id: str) -> int | None:
        """See AccessKeys."""
        used = self._call("get_access_key_last_used", AccessKeyId=access_key_id)
        date = used.get("AccessKeyLastUsed", {}).get("LastUsedDate")
        return _epoch(date) if date else None

    def create(self) -> tuple[StoredKeys, int]:
        """See AccessKeys."""
        key = self._iam("create_access_key")["AccessKey"]
        return StoredKeys(key["AccessKeyId"], key["SecretAccessKey"]), _epoch(key["CreateDate"])

    def deactivate(self, access_key_id: str) -> None:
        """See AccessKeys."""
        self._iam("update_access_key", AccessKeyId=access_key_id, Status="Inactive")

    def delete(self, access_key_id: str) -> None:
        """See AccessKeys."""
        self._iam("delete_access_key", AccessKeyId=access_key_id)

    def _iam(self, operation: str, **parameters: str) -> Mapping[str, Any]:
        return self._call(operation, **self._user, **parameters)

    def _call(self, operation: str, **parameters: str) -> Mapping[str, Any]:
        # A retry of CreateAccessKey after a lost reply would make a second key.
        attempts = 1 if operation == "create_access_key" else 3
        what = f"iam {operation.replace('_', '-')}"
        try:
            return invoke("iam", operation, parameters, self._iam_endpoint, self._session, attempts, what)
        except RefusedError as error:
            if operation in _GONE_IS_FINE and error.reason == "no-such-entity":
                return {}
            raise

    def _identity(self, session: Session) -> str:
        reply = invoke(
            "sts", "get_caller_identity", {}, self._sts_endpoint, session, 3, "sts get-caller-identity"
        )
        return str(reply.get("Arn"))


def _epoch(date: datetime) -> int:
    return int(date.timestamp())
