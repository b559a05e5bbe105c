"""IAM Identity Center roles, by the AWS CLI's sign-in, against a stand-in for GetRoleCredentials."""

import hashlib
import json
import threading
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from shellvault.errors import NeedsPersonError, SessionError
from shellvault.plan import Endpoint, Step
from shellvault.profiles.model import Sso
from shellvault.sessions.model import Session
from shellvault.sessions.refusals import RefusedError
from shellvault.sessions.sso import role_session

NOW = 1_000_000_000.0
SSO = Sso("https://x.awsapps.com/start", "eu-west-1", "111111111111", "Admin", session_name="corp")
GOOD = {
    "roleCredentials": {
        "accessKeyId": "ASIA1",
        "secretAccessKey": "secret",
        "sessionToken": "token",
        "expiration": 1_000_003_600_000,
    }
}


@dataclass
class Portal:
    """A stand-in for the portal: one answer for every call, and what was asked."""

    url: str = ""
    status: int = 200
    reply: object = field(default_factory=lambda: GOOD)
    asked: list[tuple[str, str | None]] = field(default_factory=list)


@pytest.fixture
def portal() -> Iterator[Portal]:
    stand_in = Portal()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            stand_in.asked.append((self.path, self.headers["x-amz-sso_bearer_token"]))
            body = json.dumps(stand_in.reply).encode()
            self.send_response(stand_in.status)
            if stand_in.status != 200:
                self.send_header(
                    "x-amzn-ErrorType", "UnauthorizedException" if stand_in.status == 401 else "Odd"
                )
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        stand_in.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield stand_in
        server.shutdown()


def _sign_in(home: Path, content: object, name: str = "corp") -> None:
    folder = home / ".aws" / "sso" / "cache"
    folder.mkdir(parents=True)
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / f"{hashlib.sha1(name.encode()).hexdigest()}.json").write_text(text)


def _session(home: Path, portal: Portal, sso: Sso = SSO) -> Session:
    step = Step("sso", "corp-admin", "memory", sso=sso, endpoint=Endpoint("eu-west-1", portal.url))
    return role_session(step, sso, {"HOME": str(home)}, NOW)


VALID = {"accessToken": "sign-in-token", "expiresAt": "2001-09-09T02:46:40Z"}


def test_the_session_of_the_role_is_got_with_the_clis_sign_in(tmp_path: Path, portal: Portal) -> None:
    _sign_in(tmp_path, VALID)
    assert _session(tmp_path, portal) == Session(
        "ASIA1", "secret", "token", int(NOW), 1_000_003_600, "111111111111"
    )
    path, token = portal.asked[0]
    asked = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query)
    assert asked == {"role_name": ["Admin"], "account_id": ["111111111111"]}
    assert token == "sign-in-token"


def test_without_an_sso_session_the_sign_in_goes_by_the_start_url(tmp_path: Path, portal: Portal) -> None:
    _sign_in(tmp_path, VALID, name=SSO.start_url)
    sso = Sso(SSO.start_url, SSO.region, SSO.account_id, SSO.role_name)
    assert _session(tmp_path, portal, sso).access_key_id == "ASIA1"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("no json", "nobody is signed in"),
        ([], "sign-in file is damaged"),
        ({"accessToken": "two\nlines"}, "sign-in file is damaged"),
        ({"accessToken": "x"}, "the sign-in has expired"),
        (VALID | {"expiresAt": "2001-01-01T00:00:00Z"}, "the sign-in has expired"),
    ],
)
def test_without_a_good_sign_in_the_person_reads_what_to_run(
    tmp_path: Path, portal: Portal, content: object, problem: str
) -> None:
    _sign_in(tmp_path, content)
    with pytest.raises(NeedsPersonError, match=f"{problem}.*run `aws sso login --sso-session corp`"):
        _session(tmp_path, portal)
    assert portal.asked == []


def test_nobody_signed_in_without_an_sso_session_names_the_profile(tmp_path: Path, portal: Portal) -> None:
    sso = Sso(SSO.start_url, SSO.region, SSO.account_id, SSO.role_name)
    with pytest.raises(NeedsPersonError, match="run `aws sso login --profile corp-admin`"):
        _session(tmp_path, portal, sso)


def test_a_sign_in_that_aws_no_longer_takes_is_the_persons_to_renew(tmp_path: Path, portal: Portal) -> None:
    _sign_in(tmp_path, VALID)
    portal.status, portal.reply = 401, {"message": "Session token not found or invalid"}
    with pytest.raises(NeedsPersonError, match=r"AWS no longer accepts the sign-in .* `aws sso login"):
        _session(tmp_path, portal)


def test_a_role_that_is_not_the_persons_is_refused(tmp_path: Path, portal: Portal) -> None:
    _sign_in(tmp_path, VALID)
    portal.status, portal.reply = 403, {"message": "No access with sign-in-token"}
    with pytest.raises(RefusedError, match=r"No access with \*\*\*\*"):
        _session(tmp_path, portal)


@pytest.mark.parametrize(
    "reply", [{}, [], {"roleCredentials": {}}, {"roleCredentials": {"expiration": "soon"}}]
)
def test_an_answer_that_is_no_session_is_an_error(tmp_path: Path, portal: Portal, reply: object) -> None:
    _sign_in(tmp_path, VALID)
    portal.reply = reply
    with pytest.raises(SessionError):
        _session(tmp_path, portal)
