"""AWS Sign-In's token call (signin/2023-01-01, CreateOAuth2Token), by which `aws login` signs in and renews."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, urlencode

from shellvault.errors import SessionError
from shellvault.plan import Endpoint, account_of
from shellvault.profiles.shapes import looks_as
from shellvault.sessions.model import Session
from shellvault.sessions.replies import checked_session
from shellvault.signin import dpop, service
from shellvault.signin.model import is_visible
from shellvault.signin.pkce import Secrets

#: The clients of AWS's own command line, the same in every partition; there is no registration.
SAME_DEVICE = "arn:aws:signin:::devtools/same-device"
CROSS_DEVICE = "arn:aws:signin:::devtools/cross-device"

#: Longest lives of credentials and of a sign-in, in seconds.
CREDENTIALS_LIFE, LONGEST = 900, 12 * 3600

_WHAT = "the AWS sign-in"


@dataclass(frozen=True, slots=True)
class Login:
    """A sign-in to AWS: credentials, and what renews them."""

    session: Session
    refresh_token: str = field(repr=False)
    key: str = field(repr=False)
    """The P-256 key, PEM, to which the refresh token is bound."""
    client_id: str
    region: str
    """Where the sign-in was made: it can only be renewed there."""
    signed_in_at: int
    identity: str = field(repr=False, default="")
    """The ID token, as AWS gave it."""

    def to_json(self) -> dict[str, Any]:
        """The plain data that is kept."""
        return {
            "session": self.session.to_json(),
            "refresh_token": self.refresh_token,
            "key": self.key,
            "client_id": self.client_id,
            "region": self.region,
            "signed_in_at": self.signed_in_at,
            "identity": self.identity,
        }

    @classmethod
    def from_json(cls, data: object) -> "Login | None":
        """Rebuilds what `to_json` gave; None for anything else."""
        if not isinstance(data, Mapping) or not isinstance(data.get("session"), Mapping):
            return None
        names = ("refresh_token", "client_id", "region")
        texts = [data.get(name) for name in names]
        if not all(map(is_visible, texts)) or not isinstance(data.get("key"), str):
            return None
        try:
            session = Session.from_json(data["session"])
        except SessionError:
            return None
        refresh_token, client_id, region = map(str, texts)
        if not looks_as(region, "region"):
            return None
        since = data.get("signed_in_at")
        since = since if type(since) is int else session.issued_at
        return cls(
            session, refresh_token, data["key"], client_id, region, since, str(data.get("identity") or "")
        )


def authorize_link(base: str, client_id: str, secrets: Secrets, redirect: str) -> str:
    """The page on which a person signs in; parameters in the AWS CLI's order and AWS's spelling."""
    query = {
        "response_type": "code",
        "client_id": client_id,
        "state": secrets.state,
        "code_challenge_method": "SHA-256",
        "scope": "openid",
        "redirect_uri": redirect,
        "code_challenge": secrets.challenge,
    }
    return f"{base}/v1/authorize?{urlencode(query, quote_via=quote, safe='')}"


def base_url(endpoint: Endpoint) -> str:
    """Scheme and host of AWS Sign-In."""
    return service.base_url("signin", "create_o_auth2_token", endpoint)


def code_of(text: str, state: str) -> str:
    """The code in what the page of another device shows: base64 of `state=…&code=…`. Raises ValueError."""
    try:
        shown = base64.b64decode("".join(text.split()), validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError("that is not the code from the page: copy all of it") from None
    fields = parse_qs(shown)
    if fields.get("state") != [state]:
        raise ValueError("that code belongs to another sign-in: use the one that the link above leads to")
    code = fields.get("code", [""])[0]
    if not code:
        raise ValueError("that is not the code from the page: copy all of it")
    return code


def redeemed(
    endpoint: Endpoint, client_id: str, code: str, verifier: str, redirect: str, now: float
) -> tuple[Login, str]:
    """The new sign-in and the ARN of its principal. Raises as `service.call`."""
    key = dpop.new_key()
    given = {
        "clientId": client_id,
        "grantType": "authorization_code",
        "code": code,
        "codeVerifier": verifier,
        "redirectUri": redirect,
    }
    reply = _token(endpoint, given, key, now)
    identity = str(reply.get("idToken") or "")
    principal = _principal(identity)
    session = _session(reply, principal, now)
    return Login(
        session, _refresh_token(reply), key, client_id, endpoint.region, int(now), identity
    ), principal


def renewed(endpoint: Endpoint, old: Login, now: float) -> Login:
    """The sign-in with new credentials and a new refresh token. Raises as `service.call`."""
    given = {"clientId": old.client_id, "grantType": "refresh_token", "refreshToken": old.refresh_token}
    reply = _token(endpoint, given, old.key, now)
    session = _session(reply, None, now, old.session.account_id)
    return Login(
        session, _refresh_token(reply), old.key, old.client_id, old.region, old.signed_in_at, old.identity
    )


def _token(endpoint: Endpoint, given: Mapping[str, str], key: str, now: float) -> Mapping[str, Any]:
    try:
        url = f"{service.base_url('signin', 'create_o_auth2_token', endpoint, with_path=True)}"
        headers = {"DPoP": dpop.proof(key, url, now)}
    except ValueError:
        raise SessionError("the key of this AWS sign-in is damaged: sign in again") from None
    reply = service.call(
        "signin", "create_o_auth2_token", {"tokenInput": given}, endpoint, _WHAT, headers=headers
    )
    found = reply.get("tokenOutput")
    if not isinstance(found, Mapping):
        raise _strange()
    return found


def _session(
    reply: Mapping[str, Any], principal: str | None, now: float, account_id: str | None = None
) -> Session:
    keys, seconds = reply.get("accessToken"), reply.get("expiresIn")
    if not isinstance(keys, Mapping) or type(seconds) is not int or not 0 < seconds <= CREDENTIALS_LIFE:
        raise _strange()
    parts = (keys.get("accessKeyId"), keys.get("secretAccessKey"), keys.get("sessionToken"))
    account = account_id or account_of(principal)
    return checked_session(
        "AWS", *parts, int(now) + seconds, now, longest=CREDENTIALS_LIFE, account_id=account
    )


def _refresh_token(reply: Mapping[str, Any]) -> str:
    token = reply.get("refreshToken")
    if not is_visible(token):
        raise _strange()
    return str(token)


def _principal(identity: str) -> str:
    """The ARN in an ID token. Its signature is not checked: it came from AWS itself, over TLS."""
    parts = identity.split(".")
    try:
        payload = parts[1] + "=" * (-len(parts[1]) % 4)
        subject = json.loads(base64.urlsafe_b64decode(payload))["sub"]
    except (IndexError, ValueError, KeyError, TypeError):
        raise _strange() from None
    if not isinstance(subject, str) or not re.fullmatch(r"arn:[!-~]{1,2000}", subject):
        raise _strange()
    return subject


def _strange() -> SessionError:
    return SessionError("AWS gave no usable sign-in: check the region and endpoint_url")
