"""IAM Identity Center's OIDC service: registration, device authorization and tokens (sso-oidc/2019-06-10)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from shellvault.errors import SessionError
from shellvault.plan import Endpoint
from shellvault.signin import service
from shellvault.signin.listener import CALLBACK_PATH
from shellvault.signin.model import Client, Token, is_visible
from shellvault.signin.pkce import Secrets

#: With this scope AWS gives a refresh token.
DEFAULT_SCOPES = ("sso:account:access",)

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_WHAT = "the sign-in"
_NAME = "shellvault"


@dataclass(frozen=True, slots=True)
class Device:
    """A device authorization under way (RFC 8628)."""

    device_code: str = field(repr=False)
    user_code: str
    link: str = field(repr=False)
    """Where the person confirms the code."""
    link_with_code: str = field(repr=False)
    seconds: int
    interval: int


def registered_for_browser(endpoint: Endpoint, start_url: str, scopes: tuple[str, ...]) -> Client:
    """A new client that signs in by a browser of this machine. Raises as `service.call`."""
    more = {
        "grantTypes": ["authorization_code", "refresh_token"],
        # Without a port: then any is accepted (RFC 8252, 7.3).
        "redirectUris": [f"http://127.0.0.1{CALLBACK_PATH}"],
        "issuerUrl": start_url,
    }
    return _registered(endpoint, scopes, more)


def registered_for_device(endpoint: Endpoint, scopes: tuple[str, ...]) -> Client:
    """A new client that signs in by a code; it names no grant types, as in the AWS CLI. Raises as `service.call`."""
    return _registered(endpoint, scopes, {})


def _registered(endpoint: Endpoint, scopes: tuple[str, ...], more: Mapping[str, Any]) -> Client:
    # AWS refuses a client for both grants (InvalidScopeException).
    parameters = {"clientName": _NAME, "clientType": "public", "scopes": list(scopes), **more}
    reply = _call("register_client", parameters, endpoint, attempts=3)
    client_id, secret, expires_at = (
        reply.get(key) for key in ("clientId", "clientSecret", "clientSecretExpiresAt")
    )
    if not (is_visible(client_id) and is_visible(secret) and type(expires_at) is int):
        raise _strange("registration")
    return Client(str(client_id), str(secret), expires_at)


def authorize_link(
    endpoint: Endpoint, client: Client, scopes: tuple[str, ...], secrets: Secrets, redirect: str
) -> str:
    """The page on which a person allows the sign-in; parameters as the AWS CLI sends them."""
    query = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": redirect,
        "state": secrets.state,
        "code_challenge_method": "S256",
        "scopes": " ".join(scopes),
        "code_challenge": secrets.challenge,
    }
    base = service.base_url("sso-oidc", "register_client", endpoint)
    return f"{base}/authorize?{urlencode(query, quote_via=quote, safe='')}"


def start_device(endpoint: Endpoint, client: Client, start_url: str) -> Device:
    """Begins a sign-in by code. Raises as `service.call`."""
    parameters = {"clientId": client.client_id, "clientSecret": client.client_secret, "startUrl": start_url}
    reply = _call("start_device_authorization", parameters, endpoint, attempts=3)
    names = ("deviceCode", "userCode", "verificationUri", "verificationUriComplete")
    texts = [reply.get(name) for name in names]
    if not all(is_visible(text) for text in texts[:3]):
        raise _strange("device code")
    device_code, user_code, link, complete = map(str, texts)
    seconds, interval = reply.get("expiresIn"), reply.get("interval")
    return Device(
        device_code,
        user_code,
        _link(link),
        _link(complete) if is_visible(texts[3]) else _link(link),
        seconds if type(seconds) is int and 0 < seconds <= 3600 else 600,
        interval if type(interval) is int and 0 < interval <= 60 else 5,
    )


def token_for_code(
    endpoint: Endpoint, client: Client, code: str, verifier: str, redirect: str, now: float
) -> Token:
    """Redeems what the browser brought. Raises as `service.call`."""
    parameters = {
        "grantType": "authorization_code",
        "code": code,
        "codeVerifier": verifier,
        "redirectUri": redirect,
    }
    return _token(endpoint, client, parameters, now)


def token_for_device(endpoint: Endpoint, client: Client, device: Device, now: float) -> Token:
    """Asks once whether the person has confirmed. Raises as `service.call`."""
    return _token(endpoint, client, {"grantType": DEVICE_GRANT, "deviceCode": device.device_code}, now)


def refreshed(endpoint: Endpoint, client: Client, refresh_token: str, now: float) -> Token:
    """A new token for a refresh token, which AWS refuses afterwards. Raises as `service.call`."""
    return _token(endpoint, client, {"grantType": "refresh_token", "refreshToken": refresh_token}, now)


def _token(endpoint: Endpoint, client: Client, grant: Mapping[str, str], now: float) -> Token:
    parameters = {"clientId": client.client_id, "clientSecret": client.client_secret, **grant}
    reply = _call("create_token", parameters, endpoint)
    access, seconds, refresh = (reply.get(key) for key in ("accessToken", "expiresIn", "refreshToken"))
    if not is_visible(access) or type(seconds) is not int or seconds <= 0:
        raise _strange("token")
    # A reply without a new refresh token leaves the old one good (RFC 6749, 6).
    kept = str(refresh) if is_visible(refresh) else grant.get("refreshToken")
    return Token(str(access), int(now), int(now) + seconds, kept, client)


def _call(
    operation: str, parameters: Mapping[str, Any], endpoint: Endpoint, attempts: int = 1
) -> Mapping[str, Any]:
    return service.call("sso-oidc", operation, parameters, endpoint, _WHAT, attempts)


def _strange(what: str) -> SessionError:
    return SessionError(f"IAM Identity Center gave no usable {what}: check sso_region and endpoint_url")


def _link(text: str) -> str:
    if not text.startswith(("https://", "http://")):
        raise _strange("link")
    return text
