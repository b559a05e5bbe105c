"""The OIDC service of IAM Identity Center, with its authorize and device pages."""

import base64
import hashlib
import re
import secrets
import urllib.parse
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.support.signin.replies import Answer, Asked, oidc_error, page, redirect, reply

if TYPE_CHECKING:
    from tests.support.signin.emulator import SignInEmulator

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_GRANTS = {"authorization_code", DEVICE_GRANT, "refresh_token"}
_MOST_SCOPES = 25


@dataclass
class Client:
    """A registered client."""

    secret: str
    expires_at: float
    scopes: tuple[str, ...]
    redirect_uris: tuple[str, ...]
    grants: frozenset[str]


@dataclass
class Code:
    """An authorization code that the browser carries back."""

    client_id: str
    redirect_uri: str
    challenge: str
    expires_at: float
    token: str | None = None
    """What it was redeemed for."""


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
    portal_session_ends_at: float = 0
    """The end of the session at the portal. A sign-in while it lasts does not prolong it, `Logout` ends it."""

    def register(self, asked: Asked) -> Answer:
        """RegisterClient."""
        given = asked.document
        grants = frozenset(given.get("grantTypes") or (DEVICE_GRANT, "refresh_token"))
        scopes, uris = given.get("scopes") or [], given.get("redirectUris") or []
        if given["clientType"] != "public":
            raise oidc_error("InvalidClientMetadataException", "clientType")
        if not grants <= _GRANTS:
            raise oidc_error("UnsupportedGrantTypeException")
        if grants >= {"authorization_code", DEVICE_GRANT}:
            raise oidc_error("InvalidScopeException")
        if len(scopes) > _MOST_SCOPES or not all(map(_is_scope, scopes)):
            raise oidc_error("InvalidScopeException")
        if not all(map(_is_redirect, uris)) or ("authorization_code" in grants and not uris):
            raise oidc_error("InvalidRedirectUriException")
        if "authorization_code" in grants and not self._is_known(given.get("issuerUrl", ""), asked):
            raise oidc_error("InvalidRequestException", "issuerUrl")
        now = self.around.now()
        identity, secret = secrets.token_urlsafe(16), "client-secret-" + secrets.token_urlsafe(60)
        expires_at = now + self.around.registration_lifetime
        self.clients[identity] = Client(secret, expires_at, tuple(scopes), tuple(uris), grants)
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
        if DEVICE_GRANT not in self._client(given).grants:
            raise oidc_error("UnauthorizedClientException")
        if not self._is_known(given["startUrl"], asked):
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
        if (
            client is None
            or "authorization_code" not in client.grants
            or client.expires_at <= self.around.now()
            or not any(_same_but_port(uri, known) for known in client.redirect_uris)
        ):
            return page("This client or its redirect_uri is unknown", "")

        def refused(error: str) -> Answer:
            fields = {"error": error} | ({"state": given["state"]} if given.get("state") else {})
            return redirect(f"{uri}?{urllib.parse.urlencode(fields)}")

        scopes = set((given.get("scopes") or given.get("scope") or "").split())
        if given.get("response_type") != "code":
            return refused("unsupported_response_type")
        if given.get("code_challenge_method") != "S256" or not _is_challenge(given.get("code_challenge", "")):
            return refused("invalid_request")
        if not given.get("state"):
            return refused("invalid_request")
        if not scopes or not scopes <= set(client.scopes):
            return refused("invalid_scope")
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
        grant = given["grantType"]
        if grant not in _GRANTS:
            raise oidc_error("UnsupportedGrantTypeException")
        if grant not in client.grants:
            raise oidc_error("UnauthorizedClientException")
        with self.around.lock:
            if grant == "authorization_code":
                return self._redeemed(given, client)
            if grant == DEVICE_GRANT:
                self._poll(given)
            else:
                self._use(given, asked)
            return self._issue(given["clientId"], client)[1]

    def end(self, access_token: str) -> None:
        """Logout: the token and its refresh token are worth nothing any more."""
        token = self.tokens.pop(access_token, None)
        self.portal_session_ends_at = 0
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

    def _is_known(self, start_url: str, asked: Asked) -> bool:
        """Whether this is the address of a portal of this region."""
        is_here = asked.region in (None, self.around.sso_region)
        return is_here and start_url.rstrip("/#") in self.around.start_urls

    def _redeemed(self, given: dict[str, str], client: Client) -> Answer:
        code = self.codes.get(given.get("code", ""))
        digest = hashlib.sha256(given.get("codeVerifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if code and code.token:
            # RFC 6749, 4.1.2: what the first use of a code gave ends with the second one.
            self.end(code.token)
        if (
            code is None
            or code.token
            or code.client_id != given["clientId"]
            or code.redirect_uri != given.get("redirectUri")
            or code.challenge != challenge
        ):
            raise oidc_error("InvalidGrantException", "Invalid code, verifier or redirect")
        if code.expires_at <= self.around.now():
            raise oidc_error("ExpiredTokenException")
        self._begin_session()
        code.token, answer = self._issue(given["clientId"], client)
        return answer

    def _begin_session(self) -> None:
        now = self.around.now()
        if self.portal_session_ends_at <= now:
            self.portal_session_ends_at = now + self.around.portal_lifetime

    def _use(self, given: dict[str, str], asked: Asked) -> None:
        """Takes a refresh token, which is worth nothing afterwards."""
        token = given.get("refreshToken", "")
        owner = self.refresh_tokens.get(token)
        if asked.region not in (None, self.around.sso_region):
            raise oidc_error("InvalidRequestException", "Invalid token provided")
        if owner is None or owner != given["clientId"]:
            raise oidc_error("InvalidGrantException", "Invalid refresh token provided")
        if self.around.now() >= min(self.around.portal_ends_at, self.portal_session_ends_at):
            raise oidc_error("InvalidGrantException", "The portal session is over")
        if not self.around.reuses_refresh_tokens:
            del self.refresh_tokens[token]

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
        self._begin_session()

    def _issue(self, client_id: str, client: Client) -> tuple[str, Answer]:
        access = "aoa" + secrets.token_urlsafe(120)
        lifetime = self.around.access_token_lifetime
        renews = "sso:account:access" in client.scopes and "refresh_token" in client.grants
        refresh = "aor" + secrets.token_urlsafe(200) if renews else None
        self.tokens[access] = Token(client_id, self.around.now() + lifetime, refresh)
        document: dict[str, object] = {"accessToken": access, "tokenType": "Bearer", "expiresIn": lifetime}
        if refresh:
            self.refresh_tokens[refresh] = client_id
            document["refreshToken"] = refresh
        return access, reply(document)


def _is_redirect(uri: str) -> bool:
    parts = urllib.parse.urlsplit(uri)
    return parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1") and not parts.fragment


def _is_scope(scope: str) -> bool:
    return re.fullmatch(r"[a-z0-9_-]+:[a-z0-9_:*-]+", scope) is not None


def _is_challenge(challenge: str) -> bool:
    """RFC 7636, 4.2: the SHA-256 of the verifier in base64url, without padding."""
    return re.fullmatch(r"[A-Za-z0-9_-]{43}", challenge) is not None


def _same_but_port(uri: str, registered: str) -> bool:
    """RFC 8252, 7.3: a loopback redirect may use any port."""
    one, other = urllib.parse.urlsplit(uri), urllib.parse.urlsplit(registered)
    return (one.scheme, one.hostname, one.path) == (other.scheme, other.hostname, other.path)
