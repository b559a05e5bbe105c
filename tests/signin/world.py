"""A client of the emulated services that does everything right, but for what a test changes."""

import base64
import hashlib
import json
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from shellvault.signin import dpop
from tests.support.signin import START_URL, SignInEmulator
from tests.support.signin.login import SAME_DEVICE
from tests.support.signin.oidc import DEVICE_GRANT
from tests.support.signin.replies import Answer, Asked

OIDC, PORTAL, SIGN_IN = "oidc.{}.amazonaws.com", "portal.sso.{}.amazonaws.com", "{}.signin.aws.amazon.com"
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
REDIRECT = "http://127.0.0.1/oauth/callback"
BACK = "http://127.0.0.1:4711/oauth/callback"
BROWSER = {
    "clientName": "n",
    "clientType": "public",
    "scopes": ["sso:account:access"],
    "grantTypes": ["authorization_code", "refresh_token"],
    "redirectUris": [REDIRECT],
    "issuerUrl": START_URL,
}
DEVICE = {"clientName": "n", "clientType": "public", "scopes": ["sso:account:access"]}

Fields = dict[str, Any]


@dataclass
class World:
    """The emulator, and a client that does everything right but for `changes`; None leaves a field out."""

    aws: SignInEmulator = field(default_factory=lambda: SignInEmulator(url="http://127.0.0.1:1"))
    key: str = field(default_factory=dpop.new_key)

    def post(self, host: str, path: str, given: Fields, headers: Fields | None = None) -> Answer:
        body = {name: value for name, value in given.items() if value is not None}
        all_headers = {"host": host, **(headers or {})}
        return self.aws.answer(Asked("POST", path, {}, all_headers, json.dumps(body).encode()))

    def get(self, host: str, path: str, query: Fields, headers: Fields | None = None) -> Answer:
        fields = {name: str(value) for name, value in query.items() if value is not None}
        return self.aws.answer(Asked("GET", path, fields, {"host": host, **(headers or {})}, b""))

    # IAM Identity Center.

    def registered(self, base: Fields = BROWSER, region: str = "eu-west-1", **changes: Any) -> Answer:
        return self.post(OIDC.format(region), "/client/register", base | changes)

    def client(self, base: Fields = BROWSER, **changes: Any) -> Fields:
        found = json.loads(self.registered(base, **changes).body)
        return {"clientId": found["clientId"], "clientSecret": found["clientSecret"]}

    def device(self, client: Fields | None = None, region: str = "eu-west-1", **changes: Any) -> Answer:
        given = (client or self.client(DEVICE)) | {"startUrl": START_URL} | changes
        return self.post(OIDC.format(region), "/device_authorization", given)

    def authorized(self, client: Fields, **changes: Any) -> Answer:
        query = {
            "response_type": "code",
            "client_id": client["clientId"],
            "redirect_uri": BACK,
            "state": "s",
            "code_challenge_method": "S256",
            "scopes": "sso:account:access",
            "code_challenge": CHALLENGE,
        }
        return self.get(OIDC.format("eu-west-1"), "/authorize", query | changes)

    def token(self, given: Fields, region: str = "eu-west-1", **changes: Any) -> Answer:
        return self.post(OIDC.format(region), "/token", given | changes)

    def with_code(self, client: Fields | None = None) -> Fields:
        client = client or self.client()
        more = {"codeVerifier": VERIFIER, "redirectUri": BACK, "code": code_in(self.authorized(client))}
        return client | {"grantType": "authorization_code"} | more

    def with_device(self) -> Fields:
        client = self.client(DEVICE)
        code = json.loads(self.device(client).body)["deviceCode"]
        return client | {"grantType": DEVICE_GRANT, "deviceCode": code}

    def with_refresh(self) -> Fields:
        client = self.client()
        found = json.loads(self.token(self.with_code(client)).body)
        return client | {"grantType": "refresh_token", "refreshToken": found["refreshToken"]}

    def asked(self, path: str, bearer: str | None = None, region: str = "eu-west-1", **query: Any) -> Answer:
        headers = {"x-amz-sso_bearer_token": bearer or self.aws.issue_token()}
        return self.get(PORTAL.format(region), path, query, headers)

    # AWS sign-in.

    def signed_in_to_aws(self, **changes: Any) -> Answer:
        query = {
            "response_type": "code",
            "client_id": SAME_DEVICE,
            "state": "s",
            "code_challenge_method": "SHA-256",
            "scope": "openid",
            "redirect_uri": BACK,
            "code_challenge": CHALLENGE,
        }
        return self.get(SIGN_IN.format("eu-central-1"), "/v1/authorize", query | changes)

    def aws_code(self) -> Fields:
        code = code_in(self.signed_in_to_aws())
        given = {"codeVerifier": VERIFIER, "redirectUri": BACK, "code": code}
        return {"clientId": SAME_DEVICE, "grantType": "authorization_code"} | given

    def aws_refresh(self) -> Fields:
        token = json.loads(self.aws_token(self.aws_code()).body)["refreshToken"]
        return {"clientId": SAME_DEVICE, "grantType": "refresh_token", "refreshToken": token}

    def aws_token(
        self, given: Fields, region: str = "eu-central-1", proof: str | None = None, **changes: Any
    ) -> Answer:
        host = SIGN_IN.format(region)
        made = proof or dpop.proof(self.key, f"https://{host}/v1/token", self.aws.now())
        return self.post(host, "/v1/token", given | changes, {"dpop": made})

    def with_another_key(self, given: Fields) -> Answer:
        self.key = dpop.new_key()
        return self.aws_token(given)

    def signed(self, path: str, given: Fields, signature: str | None = None) -> Answer:
        keys = json.loads(self.aws_token(self.aws_code()).body)["accessToken"]["accessKeyId"]
        scope = f"{keys}/20260101/eu-central-1/signin/aws4_request"
        default = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=x"
        headers = {"authorization": default if signature is None else signature}
        return self.post("signin.eu-central-1.api.aws", path, given, headers)

    # What happens meanwhile.

    def later(self, seconds: float) -> None:
        self.aws.clock_offset += seconds

    def twice(self, call: Callable[[Fields], Answer], given: Fields) -> Answer:
        assert call(given).status == 200
        return call(given)


def code_in(answer: Answer) -> str:
    return _brought(answer)["code"]


def _brought(answer: Answer) -> dict[str, str]:
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(answer.headers["Location"]).query))


def error_of(answer: Answer) -> str:
    """How the answer says no: an exception's name, an error that the browser brings, or a page."""
    if name := answer.headers.get("x-amzn-ErrorType"):
        value = json.loads(answer.body).get("error", "")
        return f"{answer.status} {name.partition(':')[0]}" + f" {value}" * value.isupper()
    if answer.status == 302:
        return _brought(answer)["error"]
    return "page" if answer.body.startswith(b"<!doctype") else f"{answer.status}"


def late(world: World, given: Fields, seconds: float, call: Callable[[Fields], Answer]) -> Answer:
    world.later(seconds)
    return call(given)
