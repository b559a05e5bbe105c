"""The access portal of IAM Identity Center: accounts, roles, their credentials, and the end of a sign-in."""

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.signin.replies import Answer, Asked, portal_error, reply

if TYPE_CHECKING:
    from tests.support.signin.emulator import SignInEmulator


@dataclass
class Portal:
    """The portal's API."""

    around: "SignInEmulator"

    def accounts(self, asked: Asked) -> Answer:
        """ListAccounts."""
        self._signed_in(asked)
        rows = [
            {"accountId": number, "accountName": name, "emailAddress": f"{number}@example.com"}
            for number, (name, _) in self.around.accounts.items()
        ]
        return self._page("accountList", rows, asked)

    def roles(self, asked: Asked) -> Answer:
        """ListAccountRoles."""
        self._signed_in(asked)
        number = asked.query.get("account_id", "")
        if number not in self.around.accounts:
            raise portal_error("ForbiddenException", "No access")
        rows = [{"roleName": role, "accountId": number} for role in self.around.accounts[number][1]]
        return self._page("roleList", rows, asked)

    def credentials(self, asked: Asked) -> Answer:
        """GetRoleCredentials."""
        self._signed_in(asked)
        number, role = asked.query.get("account_id", ""), asked.query.get("role_name", "")
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
        self._signed_in(asked)
        self.around.oidc.end(asked.headers.get("x-amz-sso_bearer_token", ""))
        return Answer(200)

    def _signed_in(self, asked: Asked) -> None:
        if not self.around.oidc.is_alive(asked.headers.get("x-amz-sso_bearer_token", "")):
            raise portal_error("UnauthorizedException", "Session token not found or invalid")

    def _page(self, name: str, rows: list[dict[str, str]], asked: Asked) -> Answer:
        size = int(asked.query.get("max_result", 20))
        if not 1 <= size <= 100:
            raise portal_error("InvalidRequestException", "max_result")
        token = asked.query.get("next_token")
        start = int(token.partition("-")[0]) if token else 0
        end = start + size
        following = f"{end}-{secrets.token_hex(4)}" if end < len(rows) else None
        return reply({name: rows[start:end], "nextToken": following})
