"""The access portal of IAM Identity Center: accounts, roles, their credentials, and the end of a sign-in."""

import re
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.support.signin.replies import Answer, Asked, portal_error, reply

if TYPE_CHECKING:
    from tests.support.signin.emulator import SignInEmulator


@dataclass
class Portal:
    """The portal's API."""

    around: "SignInEmulator"
    places: dict[str, int] = field(default_factory=dict)
    """Where the list goes on for each `next_token`."""
    tokens_left: float = 0
    filled_at: float = 0

    def pace(self) -> None:
        """Takes so many calls a second, and as many at once; refuses what comes faster."""
        limit = self.around.portal_calls_a_second
        now = time.monotonic()
        self.tokens_left = min(limit, self.tokens_left + (now - self.filled_at) * limit)
        self.filled_at = now
        if self.tokens_left < 1:
            raise portal_error("TooManyRequestsException", "HTTP 429 Unknown Code")
        self.tokens_left -= 1

    def accounts(self, asked: Asked) -> Answer:
        """ListAccounts."""
        rows = [
            {"accountId": number, "accountName": name, "emailAddress": f"{number}@example.com"}
            for number, (name, _) in self.around.accounts.items()
        ]
        return self._page("accountList", rows, asked)

    def roles(self, asked: Asked) -> Answer:
        """ListAccountRoles."""
        number = _account(asked)
        if number not in self.around.accounts or number in self.around.forbidden:
            raise portal_error("ForbiddenException", "No access")
        rows = [{"roleName": role, "accountId": number} for role in self.around.accounts[number][1]]
        return self._page("roleList", rows, asked)

    def credentials(self, asked: Asked) -> Answer:
        """GetRoleCredentials."""
        number, role = _account(asked), asked.query["role_name"]
        if role not in self.around.accounts.get(number, ("", ()))[1]:
            raise portal_error("ForbiddenException", "No access")
        keys, expires_at = self.around.role_keys(number, role)
        return reply(
            {
                "roleCredentials": {
                    "accessKeyId": keys.access_key_id,
                    "secretAccessKey": keys.secret_access_key,
                    "sessionToken": keys.session_token,
                    "expiration": int(expires_at * 1000),
                }
            }
        )

    def logout(self, asked: Asked) -> Answer:
        """Logout."""
        self.around.oidc.end(asked.headers.get("x-amz-sso_bearer_token", ""))
        return Answer(200)

    def require_token(self, asked: Asked) -> None:
        """Refuses a call without the token of somebody who is signed in here."""
        is_here = asked.region in (None, self.around.sso_region)
        if not is_here or not self.around.oidc.is_alive(asked.headers.get("x-amz-sso_bearer_token", "")):
            raise portal_error("UnauthorizedException", "Session token not found or invalid")

    def _page(self, name: str, rows: list[dict[str, str]], asked: Asked) -> Answer:
        token = asked.query.get("next_token")
        start = self.places.get(token, -1) if token else 0
        if start < 0:
            raise portal_error("InvalidRequestException", "next_token")
        end = start + int(asked.query.get("max_result", 20))
        following = secrets.token_urlsafe(12) if end < len(rows) else None
        if following:
            self.places[following] = end
        return reply({name: rows[start:end], "nextToken": following})


def _account(asked: Asked) -> str:
    number = asked.query["account_id"]
    if not re.fullmatch("[0-9]{12}", number):
        raise portal_error("InvalidRequestException", "account_id")
    return number
