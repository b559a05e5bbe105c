"""The server around the services: routes, faults, the person in the browser, and what was asked."""

import http.client
import ssl
import threading
import time
import urllib.parse
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

from tests.support.emulator import Aws, Keys
from tests.support.http_front import forward
from tests.support.signin.login import CONFIRMATION, Login
from tests.support.signin.oidc import Oidc, Token
from tests.support.signin.portal import Portal
from tests.support.signin.replies import Answer, Asked, RefusalError, malformed, page, redirect
from tests.support.signin.shapes import problem

#: On a suffix of AWS's own, so that no client tries to resolve it.
START_URL = "https://d-1234567890.awsapps.com/start"

ACCOUNTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "000000000000": ("Main", ("Admin", "Reader")),
    "111111111111": ("Sandbox", ("Admin",)),
}

HOUR = 3600.0


@dataclass
class SignInEmulator:
    """The services, how they behave, and what they have seen."""

    url: str = ""
    upstream: Aws | None = None
    """Whose STS answers what is sent here for STS, and whose keys roles get; without one, keys are made up."""
    accounts: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=lambda: dict(ACCOUNTS))
    """Name and roles by account id."""
    forbidden: set[str] = field(default_factory=set)
    """The accounts that the portal lists, and whose roles it does not."""
    start_urls: set[str] = field(default_factory=lambda: {START_URL})
    sso_region: str = "eu-west-1"
    """Where IAM Identity Center is; hosts of other regions know none of its portals, clients and tokens."""
    principal: str = "arn:aws:iam::000000000000:user/ada"
    """Who signs in to AWS."""

    consenting: Literal["allow", "deny", "page", "wrong-state", "nobody"] = "allow"
    """What the person in the browser does; `page`: a page with links to click."""
    registration_lifetime: float = 90 * 24 * HOUR
    access_token_lifetime: int = 3600
    role_lifetime: int = 3600
    login_lifetime: float = 12 * HOUR
    login_credentials_lifetime: int = 900
    device_lifetime: int = 600
    interval: int = 1
    portal_lifetime: float = 7 * 24 * HOUR
    portal_ends_at: float = float("inf")
    portal_calls_a_second: float = 1000
    reuses_refresh_tokens: bool = False
    delay: dict[str, float] = field(default_factory=dict)
    """Seconds that calls of a path are held back."""
    clock_offset: float = 0

    faults: dict[str, deque[RefusalError | Answer | None]] = field(default_factory=dict)
    """What the next calls of a path get instead of an answer, in order; None: the answer."""
    calls: Counter[str] = field(default_factory=Counter)
    """How often each path was asked for, `METHOD /path`."""
    requests: list[Asked] = field(default_factory=list)
    issued: dict[str, float] = field(default_factory=dict)
    """When keys that were made up end, by their ids."""
    shown_codes: list[str] = field(default_factory=list)
    """What the cross-device page has shown."""
    most_at_once: Counter[str] = field(default_factory=Counter)
    """The most calls of a path that were under way together."""
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.oidc, self.portal, self.login = Oidc(self), Portal(self), Login(self)
        self._now_at = Counter[str]()
        self._pages: dict[str, Callable[[Asked], Answer]] = {
            "GET /authorize": self.oidc.authorize,
            "GET /device": self.oidc.device_page,
            "GET /v1/authorize": self.login.authorize,
            f"GET {CONFIRMATION}": self.login.confirmation,
            "POST /": self._sts,
        }
        self._operations: dict[str, tuple[str, str, Callable[[Asked], Answer]]] = {
            "POST /client/register": ("sso-oidc", "RegisterClient", self.oidc.register),
            "POST /device_authorization": ("sso-oidc", "StartDeviceAuthorization", self.oidc.start_device),
            "POST /token": ("sso-oidc", "CreateToken", self.oidc.token),
            "GET /assignment/accounts": ("sso", "ListAccounts", self.portal.accounts),
            "GET /assignment/roles": ("sso", "ListAccountRoles", self.portal.roles),
            "GET /federation/credentials": ("sso", "GetRoleCredentials", self.portal.credentials),
            "POST /logout": ("sso", "Logout", self.portal.logout),
            "POST /v1/token": ("signin", "CreateOAuth2Token", self.login.token),
            "POST /list-sessions": ("signin", "ListSessions", self.login.list_sessions),
            "POST /batch-revoke-sessions": ("signin", "BatchRevokeSessions", self.login.revoke_sessions),
        }

    def now(self) -> float:
        """The services' clock, epoch seconds."""
        return time.time() + self.clock_offset

    def base_of(self, asked: Asked) -> str:
        """The address that a client has used: this server's own, or that of AWS through the proxy."""
        return self.url if asked.region is None else f"https://{asked.headers['host']}"

    def fail(self, path: str, *faults: "RefusalError | Answer | None") -> None:
        """Answers the next calls of `METHOD /path` with these faults."""
        self.faults.setdefault(path, deque()).extend(faults)

    def consent(self, redirect_uri: str, state: str, code: str) -> Answer:
        """What the person in the browser does when asked whether a program may sign in."""
        back = {"code": code, "state": "not-yours" if self.consenting == "wrong-state" else state}
        refused = {"error": "access_denied", "error_description": "The user refused", "state": state}
        if self.consenting == "nobody":
            return page("Sign in", "<p>Nobody is here.")
        if self.consenting == "page":
            links = "".join(
                f'<p><a id="{name}" href="{redirect_uri}?{urllib.parse.urlencode(fields)}">{name}</a>'
                for name, fields in (("allow", back), ("deny", refused))
            )
            return page("Allow shellvault to access your data?", links)
        fields = refused if self.consenting == "deny" else back
        return redirect(f"{redirect_uri}?{urllib.parse.urlencode(fields)}")

    def issue_token(self) -> str:
        """An access token of somebody who has signed in."""
        token = f"aoa-{uuid.uuid4().hex}"
        self.oidc.tokens[token] = Token("somebody", self.now() + self.access_token_lifetime, None)
        return token

    def role_keys(self, account: str, role: str) -> tuple[Keys, float]:
        """Keys of an assigned role, and when they end."""
        return self._keys(self.role_lifetime, f"{role}-{account}")

    def login_keys(self, seconds: int) -> tuple[Keys, float]:
        """Keys of the principal, and when they end."""
        return self._keys(seconds, "login")

    def _keys(self, seconds: int, name: str) -> tuple[Keys, float]:
        expires_at = self.now() + seconds
        if self.upstream is None:
            identity = uuid.uuid4().hex.upper()
            self.issued[f"ASIA{identity[:16]}"] = expires_at
            return Keys(f"ASIA{identity[:16]}", f"secret-{identity}", f"token-{identity}"), expires_at
        # The emulated AWS takes and enforces whatever life it is asked for.
        arn = f"arn:aws:iam::000000000000:role/{name}"
        found = self.upstream.client("sts").assume_role(
            RoleArn=arn, RoleSessionName="ada", DurationSeconds=max(900, seconds)
        )["Credentials"]
        return Keys(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"]), expires_at

    def _sts(self, asked: Asked) -> Answer:
        if self.upstream is None:
            return Answer(404)
        kept = {name.title(): value for name, value in asked.headers.items()}
        answer = forward(self.upstream.endpoint, kept, asked.body)
        return Answer(answer.status, answer.body, answer.headers)

    def answer(self, asked: Asked) -> Answer:
        """The answer to one request."""
        path = f"{asked.method} {asked.path}"
        with self.lock:
            self.calls[path] += 1
            self.requests.append(asked)
            self._now_at[path] += 1
            self.most_at_once[path] = max(self.most_at_once[path], self._now_at[path])
            waiting = self.faults.get(path)
            fault = waiting.popleft() if waiting else None
        try:
            time.sleep(self.delay.get(path, 0))
            if isinstance(fault, RefusalError):
                raise fault
            if fault is not None:
                return fault
            if path in self._pages:
                return self._pages[path](asked)
            return self._operate(asked, *self._operations[path]) if path in self._operations else Answer(404)
        except RefusalError as refusal:
            return refusal.answer()
        finally:
            with self.lock:
                self._now_at[path] -= 1

    def _operate(
        self, asked: Asked, service: str, operation: str, perform: Callable[[Asked], Answer]
    ) -> Answer:
        if service == "sso":
            self.portal.pace()
            self.portal.require_token(asked)
        if wrong := problem(service, operation, asked):
            raise malformed(service, wrong)
        return perform(asked)


@contextmanager
def running(upstream: Aws | None = None, hosts: ssl.SSLContext | None = None) -> Iterator[SignInEmulator]:
    """Serves on a free loopback port until the block ends; with `hosts` as a proxy to AWS's own host names too."""
    emulator = SignInEmulator(upstream=upstream)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer("GET")

        def do_POST(self) -> None:
            self._answer("POST")

        def do_CONNECT(self) -> None:
            if hosts is None:
                self.send_error(405)
                return
            self.send_response(200)
            self.end_headers()
            self.connection = hosts.wrap_socket(self.connection, server_side=True)
            self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
            self.close_connection = False

        def _answer(self, method: str) -> None:
            length = min(int(self.headers.get("Content-Length", 0)), 1024 * 1024)
            parts = urllib.parse.urlsplit(self.path)
            asked = Asked(
                method,
                parts.path,
                dict(urllib.parse.parse_qsl(parts.query)),
                {name.lower(): value for name, value in self.headers.items()},
                self.rfile.read(length),
            )
            answer = emulator.answer(asked)
            self.send_response(answer.status)
            headers = {
                "x-amzn-RequestId": str(uuid.uuid4()),
                "Content-Type": "application/json",
                **answer.headers,
            }
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 256

        def handle_error(self, request: object, client_address: object) -> None:
            # A client that was killed in the middle of a call.
            pass

    with Server(("127.0.0.1", 0), Handler) as server:
        emulator.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield emulator
        finally:
            server.shutdown()


def visit(url: str, seconds: float = 10, aws: str = "") -> int:
    """Goes where a browser would go, redirects included; the last status. For a person who only clicks.

    `aws` is where the emulator is asked for AWS's own hosts.
    """
    for _ in range(5):
        parts = urllib.parse.urlsplit(url)
        where = urllib.parse.urlsplit(aws).netloc if parts.scheme == "https" else parts.netloc
        connection = http.client.HTTPConnection(where, timeout=seconds)
        try:
            connection.request("GET", f"{parts.path}?{parts.query}", headers={"Host": parts.netloc})
            answer = connection.getresponse()
            answer.read()
        finally:
            connection.close()
        location = answer.getheader("Location")
        if answer.status != 302 or not location:
            return answer.status
        url = location
    raise AssertionError("too many redirects")
