"""The access portal's lists: every account and role that a person may use, within AWS's limit of calls."""

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shellvault import network, threads
from shellvault.errors import SessionError
from shellvault.plan import Endpoint
from shellvault.sessions.answers import answer_of
from shellvault.sessions.clients import client_for
from shellvault.sessions.refusals import refusal

#: AWS takes 20 calls a second (IAM Identity Center User Guide, "Quotas"); so many are under way at once.
CALLS_A_SECOND, AT_ONCE = 20.0, 8
_PAGE = 100
_LISTS = {"list_accounts": "the list of your accounts", "list_account_roles": "the list of your roles"}
#: Seconds after which a call that AWS keeps putting off is given up, and the longest wait before the next try.
_BUDGET, _LONGEST_PAUSE = 300.0, 5.0
#: Most accounts, and roles of one, that are believed.
_MOST = 100_000


@dataclass(frozen=True, slots=True)
class Account:
    """An account in the portal. Name and address may be missing, and are somebody else's text."""

    account_id: str
    name: str
    email: str


class Portal:
    """A portal, as the person with this token sees it. Its methods may be called from several threads."""

    def __init__(self, access_token: str, endpoint: Endpoint) -> None:
        self._access_token = access_token
        self._client = client_for("sso", endpoint, None, 1)
        self._pace = _Pace(CALLS_A_SECOND)

    def accounts(self) -> list[Account]:
        """All accounts, by their ids. Raises SessionError."""
        rows = self._pages("list_accounts", "accountList", {})
        found = [
            Account(
                str(row["accountId"]), str(row.get("accountName") or ""), str(row.get("emailAddress") or "")
            )
            for row in rows
            if str(row.get("accountId", "")).isdigit()
        ]
        return sorted(found, key=lambda account: account.account_id)

    def roles(self, account_id: str) -> list[str]:
        """The roles in one account, sorted. Raises SessionError."""
        rows = self._pages("list_account_roles", "roleList", {"accountId": account_id})
        return sorted(str(row["roleName"]) for row in rows if row.get("roleName"))

    def roles_of_all(
        self, accounts: list[Account], done: Callable[[Account], None]
    ) -> list[tuple[Account, list[str]]]:
        """The roles of every account; `done` hears of each that is finished. Raises SessionError."""

        def roles(account: Account) -> list[str]:
            found = self.roles(account.account_id)
            done(account)
            return found

        found = threads.at_once(roles, accounts, AT_ONCE, ["botocore.exceptions"])
        return list(zip(accounts, found, strict=True))

    def _pages(self, operation: str, member: str, more: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        parameters = {"accessToken": self._access_token, "maxResults": _PAGE, **more}
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

    def _call(self, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        import botocore.exceptions as exceptions

        end, pause = time.monotonic() + _BUDGET, 0.2
        while True:
            self._pace.wait()
            try:
                reply: Mapping[str, Any] = getattr(self._client, operation)(**parameters)
                return reply
            except exceptions.ClientError as error:
                response = error.response
                metadata = response.get("ResponseMetadata", {})
                status = metadata.get("HTTPStatusCode", 0)
                if (status != 429 and status < 500) or time.monotonic() > end:
                    answer = answer_of(response, [self._access_token])
                    raise refusal(_LISTS[operation], answer) from None
                asked = metadata.get("HTTPHeaders", {}).get("retry-after", "")
                wait = float(asked) if asked.isdigit() else pause * random.uniform(0.5, 1.5)  # noqa: S311
                self._pace.hold(min(wait, 30.0))
                pause = min(pause * 2, _LONGEST_PAUSE)
            except (exceptions.BotoCoreError, OSError) as error:
                if time.monotonic() > end or pause >= _LONGEST_PAUSE:
                    raise SessionError(
                        f"the portal cannot be reached: check network and proxy ({network.reason(error)})"
                    ) from None
                self._pace.hold(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)


class _Pace:
    """So many calls a second for all threads together, and pauses for all of them."""

    def __init__(self, a_second: float) -> None:
        self._gap = 1 / a_second
        self._next = time.monotonic()
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Returns when the next call may go out."""
        with self._lock:
            at = max(self._next, time.monotonic())
            self._next = at + self._gap
        time.sleep(max(0.0, at - time.monotonic()))

    def hold(self, seconds: float) -> None:
        """Keeps every call back for a time."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)
