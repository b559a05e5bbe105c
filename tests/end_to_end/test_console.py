"""The console is opened with a session that AWS takes, and the link stays out of sight."""

import json
import os
import random
import signal
import stat
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.end_to_end.conftest import Person
from tests.support.emulator import ACCOUNT, Aws, Keys

pytestmark = pytest.mark.real

#: Runs that are killed at a random moment; more to be sure: SHELLVAULT_KILL_ROUNDS=200.
ROUNDS = int(os.environ.get("SHELLVAULT_KILL_ROUNDS", "4"))

BROWSER = """#!{python}
import sys, urllib.request
with open({noted!r}, "a") as notes:
    notes.write(" ".join(sys.argv) + "\\n")
urllib.request.build_opener(urllib.request.ProxyHandler({{}})).open(sys.argv[-1], timeout=10).close()
"""


@dataclass
class Federation:
    """AWS's sign-in on loopback: a token for a session that the emulator takes, and one login for each token."""

    aws: Aws
    endpoint: str = ""
    tokens: dict[str, str] = field(default_factory=dict)
    """The ARN that each token was given for."""
    sessions: dict[str, Keys] = field(default_factory=dict)
    """The session that each token was given for."""
    lengths: list[str | None] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)
    """The statuses with which the next requests for a token are answered."""
    logins: list[tuple[str, str]] = field(default_factory=list)
    """Who has signed in, and where to."""

    def answer(self, path: str) -> tuple[int, bytes]:
        """Answers a GET."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
        if query.get("Action") == "getSigninToken" and self.failures:
            return self.failures.pop(0), b"no"
        if query.get("Action") == "getSigninToken":
            session = json.loads(query["Session"])
            keys = Keys(session["sessionId"], session["sessionKey"], session["sessionToken"])
            token = f"token-{len(self.tokens)}-{'x' * 20}"
            self.tokens[token] = self.aws.identity(keys)
            self.sessions[token] = keys
            self.lengths.append(query.get("SessionDuration"))
            return 200, json.dumps({"SigninToken": token}).encode()
        if query.get("Action") == "login":
            who = self.tokens.pop(query["SigninToken"], None)
            if who is None:
                return 400, b""
            self.logins.append((who, query["Destination"]))
            return 200, b"welcome"
        return 404, b""


@contextmanager
def federating(aws: Aws) -> Iterator[Federation]:
    """A running sign-in."""
    served = Federation(aws)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = served.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        served.endpoint = f"http://127.0.0.1:{server.server_port}"
        yield served
        server.shutdown()


@pytest.fixture
def federation(aws: Aws) -> Iterator[Federation]:
    with federating(aws) as served:
        yield served


@pytest.fixture
def browser(person: Person, federation: Federation) -> Path:
    """A browser on PATH; the file that it notes its command lines in."""
    noted = person.home.path / "browser.noted"
    program = person.home.path / "browser"
    program.write_text(BROWSER.format(python=sys.executable, noted=str(noted)))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    person.home.environment["BROWSER"] = str(program)
    person.home.environment["AWS_ENDPOINT_URL_SIGNIN"] = federation.endpoint
    return noted


def test_a_user_signs_in_by_a_federation_token(person: Person, federation: Federation, browser: Path) -> None:
    person.home.succeed("console", "work")
    who, where = federation.logins[0]
    assert who == f"arn:aws:sts::{ACCOUNT}:federated-user/work"
    assert where == "https://eu-central-1.console.aws.amazon.com/console/home?region=eu-central-1"
    assert "iam" not in " ".join(person.front.calls).lower()
    assert "token-" not in browser.read_text()


def test_a_role_signs_in_as_itself_for_as_long_as_asked(
    person: Person, federation: Federation, browser: Path
) -> None:
    role = person.role("deploy")
    person.configure(f"[profile deploy]\nsource_profile = work\nrole_arn = {role}\nregion = us-east-1")
    person.home.succeed("login", "deploy", "-d", "2h", "--path", "s3")
    who, where = federation.logins[0]
    assert f"assumed-role/{person.user}-deploy/" in who
    assert where == "https://us-east-1.console.aws.amazon.com/s3/home?region=us-east-1"
    assert federation.lengths == ["7200"]


def test_a_profile_has_its_own_browser(person: Person, federation: Federation, browser: Path) -> None:
    own = person.home.environment.pop("BROWSER")
    person.configure("[profile mine]\nsource_profile = work\nshellvault_browser = " + own)
    person.configure("[profile none]\nsource_profile = work\nshellvault_browser = none")
    person.home.succeed("console", "mine")
    assert len(federation.logins) == 1
    assert "Action=login" in person.home.succeed("console", "none")
    assert len(federation.logins) == 1


def test_stdout_prints_the_link_and_opens_nothing(
    person: Person, federation: Federation, browser: Path
) -> None:
    link = person.home.succeed("console", "--stdout", "work").strip()
    assert link.startswith(
        f"{federation.endpoint}/federation?Action=login&Issuer=shellvault&Destination=https"
    )
    assert federation.logins == []
    assert not browser.exists()


def test_without_a_browser_the_link_is_printed(person: Person, federation: Federation, browser: Path) -> None:
    person.home.environment["BROWSER"] = "/nonexistent/browser"
    done = person.home.shellvault("console", "work")
    assert done.returncode == 0
    assert "no browser can be opened here" in done.stderr
    assert "Action=login" in done.stdout


def test_without_a_name_it_is_the_session_of_this_shell(
    person: Person, federation: Federation, browser: Path
) -> None:
    person.home.succeed("exec", "work", "-n", "--", "shellvault", "console")
    role = person.role("inner")
    person.configure(f"[profile inner]\nsource_profile = work\nrole_arn = {role}")
    person.home.succeed("exec", "inner", "--", "shellvault", "console", "--region", "us-west-2")
    assert [who.split(":")[-1].split("/")[0] for who, _ in federation.logins] == [
        "federated-user",
        "assumed-role",
    ]
    assert federation.logins[1][1].startswith("https://us-west-2.console")


def test_keys_without_a_session_get_the_federation_token(
    person: Person, federation: Federation, browser: Path
) -> None:
    person.home.succeed("login", "--no-session", "work")
    assert [who for who, _ in federation.logins] == [f"arn:aws:sts::{ACCOUNT}:federated-user/work"]


def holding_a_token(person: Person) -> list[Path]:
    """The files of the home and of its sockets' folder with a link's token in them."""
    folders = (person.home.path, Path(person.home.environment["XDG_RUNTIME_DIR"]))
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return [path for path in files if b"token-" in path.read_bytes()]


@pytest.mark.timeout(100 + 5 * ROUNDS)
def test_wherever_it_is_killed_the_next_one_signs_in(
    person: Person, federation: Federation, browser: Path
) -> None:
    chance = random.Random(7)
    for _ in range(ROUNDS):
        running = person.home.start("shellvault", "console", "work")
        time.sleep(chance.uniform(0.05, 1.2))
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate(timeout=30)
        assert holding_a_token(person) == []
    before = len(federation.logins)
    person.home.succeed("console", "work")
    assert len(federation.logins) == before + 1


@pytest.mark.parametrize("status", [400, 403, 500])
def test_a_refused_sign_in_is_reported_and_the_next_works(
    person: Person, federation: Federation, browser: Path, status: int
) -> None:
    federation.failures = [status] * 5
    assert "token-" not in person.home.fail("console", "work")
    assert federation.logins == []
    federation.failures = []
    person.home.succeed("console", "work")
    assert len(federation.logins) == 1


def test_wherever_aws_denies_it_the_next_run_works(
    person: Person, federation: Federation, browser: Path
) -> None:
    role = person.role("denied")
    person.configure(f"[profile denied]\nsource_profile = work\nrole_arn = {role}\nregion = us-east-1")
    for profile in ("work", "denied"):
        person.home.succeed("clear")
        person.front.calls.clear()
        person.home.succeed("console", profile)
        actions = dict.fromkeys(person.front.calls)
        assert actions
        for action in actions:
            person.home.succeed("clear")
            logins = len(federation.logins)
            person.front.refuses = action
            said = person.home.fail("console", profile)
            assert "not authorized" in said or "AccessDenied" in said
            assert len(federation.logins) == logins
            person.front.refuses = ""
            person.home.succeed("console", profile)
            assert len(federation.logins) == logins + 1
