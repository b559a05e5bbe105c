"""What a person reads when AWS says no: the setting, its place and the next step; nothing twice, no jargon of ours."""

import ast
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from shellvault.errors import SessionError
from shellvault.plan import Endpoint, Options, build
from shellvault.plan.steps import AssumeRole, SsoRole, SsoSignIn, Step, StsCall
from shellvault.profiles.model import Sso
from shellvault.sessions.answers import (
    ADVICE,
    ADVICE_FOR_PARAMETERS,
    ADVICE_FOR_ROLES,
    Answer,
    explained,
)
from shellvault.sessions.calls import call_sts
from shellvault.sessions.model import Session
from shellvault.signin import dpop, login, oidc, service
from shellvault.signin.login import Login
from shellvault.signin.model import Client
from shellvault.signin.portal import Portal
from tests.profiles.resolving import MFA, ROLE, resolved
from tests.signin.terminal import run
from tests.support.home import Home
from tests.support.signin import SignInEmulator
from tests.support.signin.replies import oidc_error, portal_error

ROOT = Path(__file__).resolve().parents[2]
NOW = time.time()
CLIENT = Client("client-id", "client-secret", int(NOW) + 9999)
KEYS = Session("AKIA0000000000000000", "secret-of-keys")
SSO = Sso("https://corp.awsapps.com/start", "eu-west-1", "000000000000", "Admin", "corp")
DEVICE = oidc.Device("device-code", "ABCD-EFGH", "https://x", "https://x", 600, 1)


def _step(call: str, at: Endpoint) -> Step:
    made = SsoRole("work", sso=SSO, sign_in=SsoSignIn("work", SSO), endpoint=at)
    role = "arn:aws:iam::000000000000:role/x"
    return made if call == "sso" else AssumeRole("work", role_arn=role, duration=900, endpoint=at)


def _portal(at: Endpoint) -> Portal:
    return Portal("access-token", at, "corp", lambda rejected: "access-token", print)


def _login() -> Login:
    session = Session("ASIA0000000000000000", "secret-of-login", "token-of-login")
    return Login(session, "refresh-token", dpop.new_key(), login.SAME_DEVICE, "eu-west-1", int(NOW))


#: Every call to the services behind a sign-in and a session.
DOORS: Mapping[str, Callable[[Endpoint], object]] = {
    "assume-role": lambda at: call_sts(_step("assume-role", at), KEYS, NOW),
    "role credentials": lambda at: _portal(at).credentials(_step("sso", at), NOW),
    "registration for the browser": lambda at: oidc.registered_for_browser(at, SSO.start_url, ("a:b",)),
    "registration for a code": lambda at: oidc.registered_for_device(at, ("a:b",)),
    "device code": lambda at: oidc.start_device(at, CLIENT, SSO.start_url),
    "token for a code": lambda at: oidc.token_for_code(
        at, CLIENT, "code", "verifier", "http://127.0.0.1/", NOW
    ),
    "token for a device": lambda at: oidc.token_for_device(at, CLIENT, DEVICE, NOW),
    "renewal": lambda at: oidc.refreshed(at, CLIENT, "refresh-token", NOW),
    "AWS sign-in": lambda at: login.redeemed(
        at, login.SAME_DEVICE, "code", "v" * 43, "http://127.0.0.1/", NOW
    ),
    "its renewal": lambda at: login.renewed(at, _login(), NOW),
    "accounts": lambda at: _portal(at).accounts(),
    "roles": lambda at: _portal(at).roles("000000000000"),
    "sign-out": lambda at: service.call("sso", "logout", {"accessToken": "access-token"}, at, "the sign-out"),
}


@contextmanager
def answering(status: int, body: bytes, name: str = "") -> Iterator[Endpoint]:
    """A server that gives everyone the same answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            if name:
                self.send_header("x-amzn-ErrorType", name)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - http.server's name

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield Endpoint("eu-west-1", f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()


def said(door: str, status: int, body: bytes, name: str = "") -> str:
    with answering(status, body, name) as endpoint, pytest.raises(SessionError) as raised:
        DOORS[door](endpoint)
    text = str(raised.value)
    assert text.isprintable(), text
    assert not re.search(r"refused sso|sso-sign-in|aws-sign-in|<", text), text
    assert not re.search(r"\b([\w-]{3,})\b\W+\1\b", text), text
    assert not re.search(r"access-token|refresh-token|client-secret|secret-of|token-of", text), text
    return text


def _xml(code: str, message: str) -> bytes:
    return f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>".encode()


def _body(door: str, name: str, document: Mapping[str, str]) -> bytes:
    return _xml(name, "x") if door == "assume-role" else json.dumps(document).encode()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries and lists that do not wait for better times."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda seconds: None, time=time.time))
    for name in ("LONGEST", "LONGEST_OUT_OF_ORDER"):
        monkeypatch.setattr(f"shellvault.signin.patience.{name}", 0.0)


@pytest.mark.parametrize("door", DOORS)
def test_a_refusal_says_its_code_once_and_what_to_do(door: str) -> None:
    document = {"error": "invalid_scope", "error_description": "invalid_scope", "message": "invalid_scope"}
    text = said(door, 400, _body(door, "InvalidScopeException", document), "InvalidScopeException:http://x/")
    assert text.startswith("AWS refused ")
    assert "correct sso_registration_scopes" in text


@pytest.mark.parametrize("door", DOORS)
def test_a_service_out_of_order_says_to_try_again(door: str) -> None:
    document = {"error": "server_error", "message": "x"}
    text = said(door, 500, _body(door, "InternalFailure", document), "InternalServerException")
    assert "AWS is out of order" in text
    assert text.endswith("try again in a minute")


@pytest.mark.parametrize("door", DOORS)
def test_a_page_of_a_proxy_is_not_taken_for_aws(door: str) -> None:
    text = said(door, 403, b"<html><body>Please sign in</body></html>")
    assert re.search(r"answers in its place \(HTTP 403.*open a browser", text)


@pytest.mark.parametrize(
    ("status", "words"),
    [(407, "HTTPS_PROXY"), (502, "or a proxy on the way, is out of order (HTTP 502)"), (429, "busy")],
)
def test_what_a_proxy_answers_says_what_to_do(status: int, words: str) -> None:
    text = explained("the sign-in to corp", Answer(str(status), said=str(status), status=status))
    assert words in text
    assert text.count(str(status)) <= 1


@pytest.mark.parametrize(
    ("code", "said", "advice", "for_roles"),
    [
        *((code, code, advice, False) for code, advice in ADVICE.items()),
        *((code, code, advice, True) for code, advice in ADVICE_FOR_ROLES.items()),
        *(
            ("ValidationError", f"at '{name}'", advice, True)
            for name, advice in ADVICE_FOR_PARAMETERS.items()
        ),
    ],
)
def test_every_line_of_the_table_names_its_settings(
    code: str, said: str, advice: str, for_roles: bool
) -> None:
    keys = re.findall(r"\{(\w+)\}", advice.replace("{token}", "{web_identity_token_file}"))
    places = {key: f"config:{number}" for number, key in enumerate(keys, 1)} | (
        {"role_arn": "config:99"} if for_roles else {}
    )
    text = explained("the sign-in to corp", Answer(code, said=said), places)
    assert text.lower().count(code.lower()) == 1 or "busy" in text
    assert "{" not in text
    assert all(f"{key} in {places[key]}" in text for key in keys)


TOKEN = "web_identity_token_process = printf token"
#: What STS refuses: the call, its settings by line, AWS's code and words, and the settings that are named.
STS_REFUSALS = {
    "a role": ("AssumeRole", "AccessDenied", "User x is not authorized", "role_arn external_id mfa_serial"),
    "its MFA": ("AssumeRole", "AccessDenied", "MultiFactorAuthentication failed, must have", "mfa_serial"),
    "its name": ("AssumeRole", "ValidationError", "Value 'x' at 'roleArn' failed", "role_arn"),
    "its id": ("AssumeRole", "ValidationError", "Value 'x' at 'externalId' failed", "external_id"),
    "its time": (
        "AssumeRole",
        "ValidationError",
        "The requested DurationSeconds exceeds the MaxSessionDuration",
        "duration_seconds",
    ),
    "a device": (
        "SessionToken",
        "AccessDenied",
        "MultiFactorAuthentication failed, unable to validate",
        "mfa_serial",
    ),
    "a serial": ("SessionToken", "ValidationError", "Value 'x' at 'serialNumber' failed", "mfa_serial"),
    "a token": ("WebIdentity", "InvalidIdentityToken", "No OpenIDConnect provider", f"{TOKEN[:26]} role_arn"),
    "its age": ("WebIdentity", "ExpiredTokenException", "Token expired", TOKEN[:26]),
    "its claims": ("WebIdentity", "IDPRejectedClaim", "Not authorized", f"{TOKEN[:26]} role_arn"),
    "its role": ("WebIdentity", "AccessDenied", "Not authorized to perform", "role_arn"),
}
STS_CONFIG = {
    "AssumeRole": f"[profile work]\nrole_arn = {ROLE}\nsource_profile = keys\nexternal_id = secret\n"
    f"mfa_serial = {MFA}\nduration_seconds = 3600\n[profile keys]\n",
    "SessionToken": f"[profile work]\nmfa_serial = {MFA}\n",
    "WebIdentity": f"[profile work]\nrole_arn = {ROLE}\n{TOKEN}\n",
}


@pytest.mark.parametrize("fails", STS_REFUSALS)
@pytest.mark.parametrize("is_slow", [False, True], ids=["by ourselves", "by botocore"])
def test_a_refusal_by_sts_names_the_setting_and_its_line(
    fails: str, is_slow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    call, code, words, named = STS_REFUSALS[fails]
    if is_slow:
        monkeypatch.setattr("shellvault.sessions.sts_call.serves", lambda endpoint: False)
    with answering(400, _xml(code, words)) as endpoint:
        profile = resolved(STS_CONFIG[call], AWS_ENDPOINT_URL=str(endpoint.url))
        steps = build(
            profile,
            {"keys": "AKIA0", "work": "AKIA0"} if call == "SessionToken" else {"keys": "AKIA0"},
            Options(),
        ).steps
        step = next(step for step in steps if type(step).__name__ == call)
        assert isinstance(step, StsCall)
        source = None if call == "WebIdentity" else KEYS
        with pytest.raises(SessionError) as raised:
            call_sts(step, source, NOW, token="a.b.c" if source is None else None)
    lines = STS_CONFIG[call].splitlines()
    for key in named.split():
        line = next(number for number, text in enumerate(lines, 1) if text.startswith(key))
        assert f"{key} in config:{line}" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_a_role_from_the_environment_is_named_as_such() -> None:
    profile = resolved("[profile work]\n", AWS_ROLE_ARN=ROLE)
    assert profile.places["role_arn"] == "AWS_ROLE_ARN"


def test_every_call_of_sts_knows_the_places_of_its_settings() -> None:
    """What is added without them is not in `STS_CONFIG`. GetFederationToken has no setting of its own."""
    kinds = {kind.__name__ for kind in _subclasses(StsCall)}
    assert kinds - {"FederationToken"} == {*STS_CONFIG}


def _subclasses(kind: type[StsCall]) -> Iterator[type[StsCall]]:
    for each in kind.__subclasses__():
        if hasattr(each, "call"):
            yield each
        yield from _subclasses(each)


def test_every_answer_of_aws_passes_through_one_table() -> None:
    handlers = [
        (path.name, handler)
        for path in (ROOT / "shellvault").rglob("*.py")
        for handler in ast.walk(ast.parse(path.read_text()))
        if isinstance(handler, ast.ExceptHandler)
        and handler.type
        and ast.unparse(handler.type).endswith(".ClientError")
    ]
    assert len(handlers) == 2
    assert [name for name, handler in handlers if "answer_of(" not in ast.unparse(handler)] == []


@pytest.mark.real
def test_a_refused_setting_is_named_with_its_line(at_home: Home, services: SignInEmulator) -> None:
    services.fail("POST /client/register", *[oidc_error("InvalidScopeException")] * 3)
    shown = run(at_home, "signin", "corp", status=1)
    assert (
        f"AWS refused the sign-in to corp: invalid_scope (correct sso_registration_scopes in {at_home.config_file}:4"
        in shown
    )


@pytest.mark.real
def test_a_role_that_is_not_assigned_is_named_with_its_account(
    at_home: Home, services: SignInEmulator
) -> None:
    run(at_home, "signin", "corp")
    services.fail("GET /federation/credentials", *[portal_error("ForbiddenException", "No access")] * 3)
    shown = at_home.fail("exec", "admin", "--", "true")
    where = at_home.config_file
    assert "role Admin in account 000000000000 (profile admin): ForbiddenException: No access" in shown
    assert f"correct sso_role_name in {where}:9 and sso_account_id in {where}:8" in shown
