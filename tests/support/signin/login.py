"""AWS Sign-In: the authorize page, the token call with its proofs of possession, and the sessions' end."""

import base64
import hashlib
import json
import re
import secrets
import urllib.parse
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from tests.support.signin.replies import Answer, Asked, login_error, page, reply

if TYPE_CHECKING:
    from tests.support.signin.emulator import SignInEmulator

SAME_DEVICE, CROSS_DEVICE = "arn:aws:signin:::devtools/same-device", "arn:aws:signin:::devtools/cross-device"
CONFIRMATION = "/v1/sessions/confirmation"


@dataclass
class LoginCode:
    """A code that the browser carries back, or a person."""

    client_id: str
    redirect_uri: str
    challenge: str
    expires_at: float
    region: str | None
    """Where the browser was sent; None for a loopback endpoint."""
    used: bool = False


@dataclass(frozen=True)
class LoginSession:
    """What a sign-in is bound to."""

    client_id: str
    thumbprint: str
    ends_at: float
    arn: str
    region: str | None


@dataclass
class Login:
    """What the service has given out."""

    around: "SignInEmulator"
    codes: dict[str, LoginCode] = field(default_factory=dict)
    refresh_tokens: dict[str, "LoginSession"] = field(default_factory=dict)
    """The session of each refresh token that is good now."""
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What ListSessions tells of each, by its ARN."""
    proofs: set[str] = field(default_factory=set)

    def authorize(self, asked: Asked) -> Answer:
        """The page that a browser is sent to."""
        given = asked.query
        client_id, uri = given.get("client_id", ""), given.get("redirect_uri", "")
        parts = urllib.parse.urlsplit(uri)
        if client_id == SAME_DEVICE:
            fits = parts.hostname == "127.0.0.1" and parts.path == "/oauth/callback"
        else:
            fits = client_id == CROSS_DEVICE and uri == self.around.base_of(asked) + CONFIRMATION
        if not fits or given.get("scope") != "openid" or given.get("response_type") != "code":
            return page("This request is not right", "")
        if (
            given.get("code_challenge_method") not in ("SHA-256", "S256")
            or not re.fullmatch(r"[A-Za-z0-9_-]{43}", given.get("code_challenge", ""))
            or not given.get("state")
        ):
            return page("This request has no challenge or state", "")
        code = secrets.token_urlsafe(24)
        end = self.around.now() + 60
        self.codes[code] = LoginCode(client_id, uri, given["code_challenge"], end, asked.region)
        return self.around.consent(uri, given["state"], code)

    def confirmation(self, asked: Asked) -> Answer:
        """The page of the cross-device flow, whose code a person copies."""
        words = urllib.parse.urlencode({"state": asked.query["state"], "code": asked.query["code"]})
        text = base64.b64encode(words.encode()).decode()
        self.around.shown_codes.append(text)
        return page("Copy this code", f'<p id="code">{text}</p>')

    def token(self, asked: Asked) -> Answer:
        """CreateOAuth2Token."""
        given = asked.document
        thumbprint = self._proven(asked)
        now = self.around.now()
        if given["grantType"] == "authorization_code":
            self._redeem(given, asked.region)
            end = now + self.around.login_lifetime
            arn = f"arn:aws:signin:eu-central-1:000000000000:session/{secrets.token_hex(8)}"
            self.sessions[arn] = {
                "sessionArn": arn,
                "principalArn": self.around.principal,
                "issuedAt": int(now),
                "expiresAt": int(end),
                "clientId": given["clientId"],
                "status": "ACTIVE",
            }
            begun = LoginSession(given["clientId"], thumbprint, end, arn, asked.region)
            return self._issue(begun, with_identity=True)
        if not given.get("refreshToken"):
            raise login_error("INVALID_REQUEST", "refreshToken")
        with self.around.lock:
            known = self.refresh_tokens.get(given["refreshToken"])
            if known is None or known.ends_at <= now or self.sessions[known.arn]["status"] != "ACTIVE":
                raise login_error("TOKEN_EXPIRED")
            bound = (known.client_id, known.thumbprint, known.region)
            if bound != (given["clientId"], thumbprint, asked.region):
                raise login_error("INVALID_REQUEST", "another client, key or region")
            if not self.around.reuses_refresh_tokens:
                del self.refresh_tokens[given["refreshToken"]]
        return self._issue(known, with_identity=False)

    def list_sessions(self, asked: Asked) -> Answer:
        """ListSessions, of the caller."""
        self._require_signature(asked)
        given = asked.document
        found = [
            session
            for session in self.sessions.values()
            if session["status"] == given.get("status", session["status"])
            and session["clientId"] == given.get("clientId", session["clientId"])
            and given.get("issuedAfter", 0) <= session["issuedAt"] < given.get("issuedBefore", 1e12)
        ]
        return reply({"items": found})

    def revoke_sessions(self, asked: Asked) -> Answer:
        """BatchRevokeSessions."""
        self._require_signature(asked)
        arns = asked.document["sessionArns"]
        known = [arn for arn in arns if arn in self.sessions]
        for arn in known:
            self.sessions[arn]["status"] = "REVOKED"
        unknown = [
            {"sessionArn": arn, "code": "RESOURCE_NOT_FOUND", "message": "No such session"}
            for arn in arns
            if arn not in known
        ]
        return reply({"revokedSessions": [{"sessionArn": arn} for arn in known], "errors": unknown})

    def _require_signature(self, asked: Asked) -> None:
        """SigV4 with keys that live; the signature itself is not computed again."""
        found = re.match(
            r"AWS4-HMAC-SHA256 Credential=([A-Z0-9]{20})/[0-9]{8}/[a-z0-9-]+/signin/aws4_request, ",
            asked.headers.get("authorization", ""),
        )
        if not found or self.around.issued.get(found[1], self.around.now()) < self.around.now():
            raise login_error("ACCESS_DENIED", "The request is not signed with living credentials")

    def _redeem(self, given: dict[str, Any], region: str | None) -> None:
        code = self.codes.get(given.get("code", ""))
        if code is None or code.used or code.expires_at <= self.around.now():
            raise login_error("AUTHCODE_EXPIRED")
        verifier = given.get("codeVerifier", "")
        digest = hashlib.sha256(verifier.encode()).digest()
        is_proven = _base64url(digest) == code.challenge and 43 <= len(verifier) <= 128
        if not is_proven or given.get("redirectUri") != code.redirect_uri:
            raise login_error("INVALID_REQUEST", "verifier or redirectUri")
        if (given["clientId"], region) != (code.client_id, code.region):
            raise login_error("INVALID_REQUEST", "clientId or region")
        code.used = True

    def _issue(self, session: LoginSession, *, with_identity: bool) -> Answer:
        now = self.around.now()
        lifetime = int(min(self.around.login_credentials_lifetime, session.ends_at - now))
        keys, _ = self.around.login_keys(lifetime)
        refresh = "aws-refresh-" + secrets.token_urlsafe(100)
        self.refresh_tokens[refresh] = session
        document: dict[str, Any] = {
            "accessToken": {
                "accessKeyId": keys.access_key_id,
                "secretAccessKey": keys.secret_access_key,
                "sessionToken": keys.session_token,
            },
            "tokenType": "aws_sigv4",
            "expiresIn": lifetime,
            "refreshToken": refresh,
        }
        if with_identity:
            times = {"iat": int(now), "exp": int(now) + 900}
            claims = {"sub": self.around.principal, "aud": session.client_id, **times}
            parts = ({"alg": "ES384", "typ": "JWT"}, claims)
            document["idToken"] = ".".join(
                [*(_base64url(json.dumps(part).encode()) for part in parts), "c2ln"]
            )
        return reply(document)

    def _proven(self, asked: Asked) -> str:
        """The thumbprint of the key that the request proves to have (RFC 9449, 4.3)."""
        try:
            head, body, signature = asked.headers["dpop"].split(".")
            header, claims = json.loads(_bytes(head)), json.loads(_bytes(body))
            jwk, raw = header["jwk"], _bytes(signature)
            numbers = ec.EllipticCurvePublicNumbers(
                int.from_bytes(_bytes(jwk["x"])), int.from_bytes(_bytes(jwk["y"])), ec.SECP256R1()
            )
            der = utils.encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
            numbers.public_key().verify(der, f"{head}.{body}".encode(), ec.ECDSA(hashes.SHA256()))
            is_right = (
                (header["typ"], header["alg"], jwk["kty"], jwk["crv"]) == ("dpop+jwt", "ES256", "EC", "P-256")
                and "d" not in jwk
                and len(raw) == 64
                and claims["htm"] == "POST"
                and claims["htu"] == f"{self.around.base_of(asked)}/v1/token"
                and abs(claims["iat"] - self.around.now()) < 300
                and claims["jti"] not in self.proofs
            )
        except (KeyError, ValueError, TypeError, InvalidSignature):
            is_right = False
        if not is_right:
            raise login_error("INVALID_REQUEST", "the DPoP proof is not right")
        self.proofs.add(claims["jti"])
        return f"{jwk['x']}.{jwk['y']}"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
