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
from shellvault.plan import Endpoint
from shellvault.plan.steps import AssumeRole, SsoRole, SsoSignIn, Step
from shellvault.profiles.model import Sso
from shellvault.sessions.answers import ADVICE, Answer, explained
from shellvault.sessions.calls import call_sts
from shellvault.sessions.model import Session
from shellvault.signin import dpop, login, oidc, service
from shellvault.signin.login import Login
from shellvault.signin.model import Client
from shellvault.signin.portal import Portal
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
    thread = threading.Thread(target=server.serve_forever, daemon=True)
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


@pytest.mark.parametrize("code", ADVICE)
def test_every_code_of_the_table_is_said_once(code: str) -> None:
    places = dict.fromkeys(("sso_account_id", "sso_region", "sso_role_name", "sso_start_url"), "config:3")
    text = explained("the sign-in to corp", Answer(code, said=code), places)
    assert text.lower().count(code.lower()) == 1 or "busy" in text
    assert "{" not in text
    assert ("config:3" in text) == bool(
        {"sso_"} & set(re.findall("sso_", ADVICE[code])) and "scopes" not in text
    )


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
