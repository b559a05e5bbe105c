"""The access portal: the accounts and roles that a person may use, and the credentials of a role.

Every call goes through `Portal._call`: it keeps AWS's pace, waits when AWS says "later", and gets another token
when AWS refuses the current one.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from shellvault import threads
from shellvault.display import printable
from shellvault.errors import NeedsPersonError, SessionError
from shellvault.plan import Endpoint
from shellvault.plan.steps import SsoRole
from shellvault.sessions.answers import NOWHERE
from shellvault.sessions.calls import invoke, role_session
from shellvault.sessions.clients import client_for
from shellvault.sessions.model import Session
from shellvault.sessions.refusals import RefusedError
from shellvault.signin.model import digest_of
from shellvault.signin.patience import NETWORK_TRIES, Pace, patiently

#: AWS takes 20 calls a second (IAM Identity Center User Guide, "Quotas"). Lists leave some of them for shells whose
#: sessions must be renewed meanwhile. AT_ONCE: calls in parallel.
LISTED_A_SECOND, AT_ONCE = 17.0, 8
_PAGE = 100
_LISTS = {"list_accounts": "the list of your accounts", "list_account_roles": "the list of your roles"}
#: Most accounts, and most roles of one account, that are read.
_MOST = 100_000


@dataclass(frozen=True, slots=True)
class Account:
    """An account in the portal. Name and address may be missing, and are untrusted text."""

    account_id: str
    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Found:
    """The roles of accounts, and the accounts whose roles AWS refuses to list."""

    roles: list[tuple[Account, list[str]]]
    refused: list[tuple[Account, RefusedError]] = field(default_factory=list)


class Portal:
    """A portal, as seen with this token. Its methods may be called from several threads.

    All of them raise NeedsPersonError when a person must sign in, RefusedError when AWS says no, and SessionError.
    """

    def __init__(
        self,
        access_token: str,
        endpoint: Endpoint,
        name: str,
        again: Callable[[str], str],
        waits_for: Callable[[str], None],
        pace: Pace | None = None,
    ) -> None:
        """`name`: the profile or sso-session. `again` gives another token than the one with this digest."""
        self._access_token = access_token
        self._endpoint = endpoint
        self._name = name
        self._again = again
        self._waits_for = waits_for
        self._pace = pace or Pace()
        self._client = client_for("sso", endpoint, None, 1)
        self._renewing = threading.Lock()

    def accounts(self) -> list[Account]:
        """All accounts, by their ids."""
        found = [
            Account(
                str(row["accountId"]), str(row.get("accountName") or ""), str(row.get("emailAddress") or "")
            )
            for row in self._pages("list_accounts", "accountList", {})
            if str(row.get("accountId", "")).isdigit()
        ]
        return sorted(found, key=lambda account: account.account_id)

    def roles(self, account_id: str) -> list[str]:
        """The roles in one account, sorted."""
        rows = self._pages("list_account_roles", "roleList", {"accountId": account_id})
        return sorted(str(row["roleName"]) for row in rows if row.get("roleName"))

    def roles_of_all(self, accounts: list[Account], done: Callable[[Account], None]) -> Found:
        """The roles of every account; calls `done` after each. An account that is refused stops no other."""

        def roles(account: Account) -> list[str] | RefusedError:
            try:
                return self.roles(account.account_id)
            except RefusedError as error:
                return error
            finally:
                done(account)

        found = Found([])
        outcomes = threads.at_once(roles, accounts, AT_ONCE, ["botocore.exceptions"])
        for account, outcome in zip(accounts, outcomes, strict=True):
            if isinstance(outcome, RefusedError):
                found.refused.append((account, outcome))
            else:
                found.roles.append((account, outcome))
        return found

    def credentials(self, step: SsoRole, now: float) -> Session:
        """The session of a role (GetRoleCredentials)."""
        parameters = {"roleName": step.sso.role_name, "accountId": step.sso.account_id}
        reply = self._call("get_role_credentials", parameters, step)
        return role_session(reply, step, now)

    def check(self) -> None:
        """Gets another token if AWS refuses this one; does nothing when AWS cannot be reached."""
        token = self._access_token
        given = {"maxResults": 1, "accessToken": token}
        try:
            what = _LISTS["list_accounts"]
            invoke("sso", "list_accounts", given, self._endpoint, None, 1, what, client=self._client)
        except RefusedError as error:
            if error.reason == "rejected-credentials":
                self._another_than(token)
        except SessionError:
            return

    def _pages(self, operation: str, member: str, more: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        parameters = {"maxResults": _PAGE, **more}
        seen = 0
        while True:
            reply = self._call(operation, parameters)
            rows = [row for row in reply.get(member) or () if isinstance(row, Mapping)]
            yield from rows
            seen += len(rows)
            following = reply.get("nextToken")
            if not following or following == parameters.get("nextToken") or seen > _MOST:
                return
            parameters["nextToken"] = following

    def _call(
        self, operation: str, parameters: Mapping[str, Any], step: SsoRole | None = None
    ) -> Mapping[str, Any]:
        """The reply to one call. Only 401 means that AWS refuses the token; another one is tried once."""
        token = self._access_token
        try:
            return self._patient_call(operation, parameters, step, token)
        except RefusedError as error:
            if error.reason != "rejected-credentials":
                raise
        try:
            return self._patient_call(operation, parameters, step, self._another_than(token))
        except RefusedError as error:
            if error.reason != "rejected-credentials":
                raise
            raise NeedsPersonError(
                "AWS does not accept the sign-in, not even a new one: "
                f"run `shellvault signin --fresh {printable(self._name)}`"
            ) from None

    def _patient_call(
        self, operation: str, parameters: Mapping[str, Any], step: SsoRole | None, token: str
    ) -> Mapping[str, Any]:
        given = {**parameters, "accessToken": token}
        what = step.title if step else _LISTS[operation]
        places = step.sso.places if step else NOWHERE

        def call() -> Mapping[str, Any]:
            return invoke("sso", operation, given, self._endpoint, None, 1, what, places, self._client)

        return patiently(call, self._waits_for, self._pace, NETWORK_TRIES)

    def _another_than(self, token: str) -> str:
        with self._renewing:
            if self._access_token == token:
                self._access_token = self._again(digest_of(token))
            return self._access_token
