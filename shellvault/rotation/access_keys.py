"""The access keys of one IAM user, as IAM has them (IAM API Reference), through boto3.

Nothing here reads the user's AWS config file or environment: credentials, region and endpoint are given.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from shellvault.errors import SessionError
from shellvault.sessions.model import Session
from shellvault.sessions.refusals import refusal
from shellvault.vault import StoredKeys
from shellvault.vault.deadline import within

#: Seconds that one call may take, retries included.
DEADLINE = 30.0

#: What NoSuchEntity is no error for: a rotation that is taken up again may have done it already.
_GONE_IS_FINE = ("delete_access_key", "update_access_key")

#: Makes a client of a service (`iam`, `sts`) that signs with these credentials.
ClientMaker = Callable[[str, Session], Any]


@dataclass(frozen=True, slots=True)
class AccessKey:
    """One access key as IAM lists it; `created_at` in epoch seconds."""

    access_key_id: str
    is_active: bool
    created_at: int


class AccessKeys(Protocol):
    """What rotation needs of IAM. Every call raises SessionError (RefusedError when AWS says no)."""

    def identity(self, keys: StoredKeys) -> str:
        """The ARN behind a key pair (sts:GetCallerIdentity, which needs no permission)."""

    def all(self) -> list[AccessKey]:
        """Every access key of the user."""

    def last_used(self, access_key_id: str) -> int | None:
        """When a key was last used, in epoch seconds; None: never, or AWS does not tell."""

    def create(self) -> tuple[StoredKeys, int]:
        """A new key pair, and when it was made."""

    def deactivate(self, access_key_id: str) -> None:
        """Makes a key inactive; one that is gone already counts as inactive."""

    def delete(self, access_key_id: str) -> None:
        """Deletes a key; one that is gone already counts as deleted."""


class IamAccessKeys:
    """The access keys of the user to whom a session belongs."""

    def __init__(self, make_client: ClientMaker, session: Session) -> None:
        """`session` signs every call but `identity`: a session of the user, or the user's own keys."""
        self._make_client = make_client
        self._session = session
        arn = self._call("sts", session, "get_caller_identity")["Arn"]
        kind, _, path = str(arn).split(":", 5)[-1].partition("/")
        if kind != "user":
            raise SessionError(
                f"these credentials belong to {arn}, no IAM user: only a user's access keys can be rotated"
            )
        self._user = {"UserName": path.rpartition("/")[2]}

    def identity(self, keys: StoredKeys) -> str:
        """See AccessKeys."""
        session = Session(keys.access_key_id, keys.secret_access_key)
        return str(self._call("sts", session, "get_caller_identity")["Arn"])

    def all(self) -> list[AccessKey]:
        """See AccessKeys."""
        found = self._iam("list_access_keys").get("AccessKeyMetadata", ())
        return [
            AccessKey(key["AccessKeyId"], key["Status"] == "Active", _epoch(key["CreateDate"]))
            for key in found
        ]

    def last_used(self, access_key_id: str) -> int | None:
        """See AccessKeys."""
        used = self._call("iam", self._session, "get_access_key_last_used", AccessKeyId=access_key_id)
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
        return self._call("iam", self._session, operation, **self._user, **parameters)

    def _call(self, service: str, session: Session, operation: str, **parameters: str) -> Mapping[str, Any]:
        from botocore import exceptions

        what = f"{service}:{operation}"
        try:
            client = self._make_client(service, session)
            reply: Mapping[str, Any] = within(DEADLINE, lambda: getattr(client, operation)(**parameters))
            return reply
        except exceptions.ClientError as error:
            details = error.response.get("Error", {})
            if operation in _GONE_IS_FINE and details.get("Code") == "NoSuchEntity":
                return {}
            secrets = (session.secret_access_key, session.session_token)
            raise refusal(what, str(details.get("Code")), str(details.get("Message")), secrets) from None
        except TimeoutError:
            raise SessionError(f"{what}: AWS has not answered within {DEADLINE:g} s: try again") from None
        except (exceptions.BotoCoreError, exceptions.HTTPClientError, OSError) as error:
            # The text of these errors can quote a request.
            raise SessionError(f"{what} failed ({type(error).__name__}): check network and proxy") from None


def _epoch(date: datetime) -> int:
    return int(date.timestamp())
