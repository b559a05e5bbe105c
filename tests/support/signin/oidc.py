"""The OIDC service of IAM Identity Center, with its authorize and device pages."""

import base64
import hashlib
import secrets
import urllib.parse
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.support.signin.replies import Answer, Asked, oidc_error, page, reply

if TYPE_CHECKING:
    from tests.support.signin.emulator import SignInEmulator

_GRANTS = {"authorization_code", "urn:ietf:params:oauth:grant-type:device_code", "refresh_token"}
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


@dataclass
class Client:
    """A registered client."""

    secret: str
    expires_at: float
    scopes: tuple[str, ...]
    redirect_uris: tuple[str, ...]


@dataclass
class Code:
    """An authorization code that the browser carries back."""

    client_id: str
    redirect_uri: str
    challenge: str
    expires_at: float
    used: bool = False


@dataclass
class Device:
    """A device authorization. `state`: pending, approved, refused or used."""

    client_id: str
    user_code: str
    expires_at: float
    state: str = "pending"
    polled_at: float = 0


@dataclass
class Token:
    """An access token, and the refresh token given with it."""

    client_id: str
    expires_at: float
    refresh_token: str | None


@dataclass
class Oidc:
    """What the service has given out."""

    around: "SignInEmulator"
    clients: dict[str, Client] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    devices: dict[str, Device] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    refresh_tokens: dict[str, str] = field(default_factory=dict)
    """The client of each refresh token that has not been used."""

    def register(self, asked: Asked) -> Answer:
        """RegisterClient."""
        given = asked.document
        if given.get("clientType") != "public" or not given.get("clientName"):
            raise oidc_error("InvalidClientMetadataException")
        if not _GRANTS.issuperset(given.get("grantTypes", ())):
            raise oidc_error("UnsupportedGrantTypeException")
        if any(not _is_loopback(uri) for uri in given.get("redirectUris", ())):
            raise oidc_error("InvalidRedirectUriException")
        if any(":" not in scope for scope in given.get("scopes", ())):
            raise oidc_error("InvalidScopeException")
        now = self.around.now()
        identity, secret = secrets.token_urlsafe(16), "client-secret-" + secrets.token_urlsafe(60)
        expires_at = now + self.around.registration_lifetime
        self.clients[identity] = Client(
            secret, expires_at, tuple(given.get("scopes", ())), tuple(given.get("redirectUris", ()))
        )
        return reply(
            {
                "clientId": identity,
                "clientSecret": secret,
                "clientIdIssuedAt": int(now),
                "clientSecretExpiresAt": int(expires_at),
            }
        )

    def start_device(self, asked: Asked) -> Answer:
        """StartDeviceAuthorization."""
        given = asked.document
        self._client(given)
        if given.get("startUrl", "").rstrip("/#") not in self.around.start_urls:
            raise oidc_error("InvalidRequestException", "Invalid startUrl provided")
        device_code = secrets.token_urlsafe(32)
        user_code = "-".join("".join(secrets.choice("BCDFGHJKLMNPQRSTVWXZ") for _ in range(4)) for _ in "ab")
        lifetime = self.around.device_lifetime
        self.devices[device_code] = Device(given["clientId"], user_code, self.around.now() + lifetime)
        return reply(
            {
                "deviceCode": device_code,
                "userCode": user_code,
                "verificationUri": f"{self.around.url}/device",
                "verificationUriComplete": f"{self.around.url}/device?user_code={user_code}",
                "expiresIn": lifetime,
                "interval": self.around.interval,
            }
        )

    def authorize(self, asked: Asked) -> Answer:
        """The page that a browser is sent to (RFC 6749, 4.1.1, and RFC 7636, 4.3)."""
        given = asked.query
        client = self.clients.get(given.get("client_id", ""))
        uri = given.get("redirect_uri", "")
        if client is None or not any(_same_but_port(uri, known) for known in client.redirect_uris):
            return page("This client or its redirect_uri is unknown", "")
        if given.get("response_type") != "code" or given.get("code_challenge_method") != "S256":
            raise oidc_error("InvalidRequestException", "response_type or code_challenge_method")
        if not (given.get("scopes") or given.get("scope")) or not given.get("state"):
            raise oidc_error("InvalidRequestException", "scopes or state")
        code = secrets.token_urlsafe(24)
        self.codes[code] = Code(given["client_id"], uri, given["code_challenge"], self.around.now() + 60)
        return self.around.consent(uri, given["state"], code)

    def device_page(self, asked: Asked) -> Answer:
        """The page where a person approves a device."""
        user_code = asked.query.get("user_code", "")
        if (decision := asked.query.get("decision")) is not None:
            self.decide(user_code, allow=decision == "allow")
            return page("Request approved" if decision == "allow" else "Request denied", "")
        if self.around.consenting == "page":
            links = "".join(
                f'<p><a id="{word}" href="/device?user_code={user_code}&decision={word}">{word}</a>'
                for word in ("allow", "deny")
            )
            return page(f"Allow access? {user_code}", links)
        self.decide(user_code, allow=self.around.consenting == "allow")
        return page("Request approved", "")

    def decide(self, user_code: str, *, allow: bool) -> None:
        """A person has approved or refused the device that shows this code."""
        for device in self.devices.values():
            if device.user_code == user_code and device.state == "pending":
                device.state = "approved" if allow else "refused"

    def token(self, asked: Asked) -> Answer:
        """CreateToken."""
        given = asked.document
        client = self._client(given)
        grant = given.get("grantType")
        if grant == "authorization_code":
            self._redeem(given)
        elif grant == DEVICE_GRANT:
            self._poll(given)
        elif grant == "refresh_token":
            with self.around.lock:
                owner = self.refresh_tokens.get(given.get("refreshToken", ""))
                if owner is None:
                    raise oidc_error("InvalidGrantException", "Invalid refresh token provided")
                if owner != given["clientId"]:
                    raise oidc_error("InvalidRequestException", "Invalid token provided")
                if self.around.now() >= self.around.portal_ends_at:
                    raise oidc_error("InvalidGrantException", "The portal session is over")
                if not self.around.reuses_refresh_tokens:
                    del self.refresh_tokens[given["refreshToken"]]
        else:
            raise oidc_error("UnsupportedGrantTypeException")
        return self._issue(given["clientId"], client)

    def end(self, access_token: str) -> None:
        """Logout: the token and its refresh token are worth nothing any more."""
        token = self.tokens.pop(access_token, None)
        if token and token.refresh_token:
            self.refresh_tokens.pop(token.refresh_token, None)

    def is_alive(self, access_token: str) -> bool:
        """Whether the portal takes this token."""
        token = self.tokens.get(access_token)
        now = self.around.now()
        return token is not None and now < token.expires_at and now < self.around.portal_ends_at

    def _client(self, given: dict[str, str]) -> Client:
        client = self.clients.get(given.get("clientId", ""))
        if client is None or client.secret != given.get("clientSecret"):
            raise oidc_error("InvalidClientException", "Invalid client provided")
        if client.expires_at <= self.around.now():
            raise oidc_error("InvalidClientException", "Client is expired")
        return client

    def _redeem(self, given: dict[str, str]) -> None:
        code = self.codes.get(given.get("code", ""))
        digest = hashlib.sha256(given.get("codeVerifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if (
            code is None
            or code.used
            or code.client_id != given["clientId"]
            or code.redirect_uri != given.get("redirectUri")
            or code.challenge != challenge
        ):
            raise oidc_error("InvalidGrantException", "Invalid code, verifier or redirect")
        if code.expires_at <= self.around.now():
            raise oidc_error("ExpiredTokenException")
        code.used = True

    def _poll(self, given: dict[str, str]) -> None:
        device = self.devices.get(given.get("deviceCode", ""))
        now = self.around.now()
        if device is None or device.client_id != given["clientId"] or device.state == "used":
            raise oidc_error("InvalidGrantException")
        too_fast = now - device.polled_at < self.around.interval * 0.8
        device.polled_at = now
        if device.expires_at <= now:
            raise oidc_error("ExpiredTokenException")
        if device.state == "refused":
            raise oidc_error("AccessDeniedException")
        if too_fast:
            raise oidc_error("SlowDownException")
        if device.state == "pending":
            raise oidc_error("AuthorizationPendingException")
        device.state = "used"

    def _issue(self, client_id: str, client: Client) -> Answer:
        access = "aoa" + secrets.token_urlsafe(120)
        lifetime = self.around.access_token_lifetime
        refresh = "aor" + secrets.token_urlsafe(200) if "sso:account:access" in client.scopes else None
        self.tokens[access] = Token(client_id, self.around.now() + lifetime, refresh)
        document: dict[str, object] = {"accessToken": access, "tokenType": "Bearer", "expiresIn": lifetime}
        if refresh:
            self.refresh_tokens[refresh] = client_id
            document["refreshToken"] = refresh
        return reply(document)


def _is_loopback(uri: str) -> bool:
    return urllib.parse.urlsplit(uri).hostname in ("127.0.0.1", "::1")


def _same_but_port(uri: str, registered: str) -> bool:
    """RFC 8252, 7.3: a loopback redirect may use any port."""
    one, other = urllib.parse.urlsplit(uri), urllib.parse.urlsplit(registered)
    return (one.scheme, one.hostname, one.path) == (other.scheme, other.hostname, other.path)
