"""An emulator of the AWS secrets engine of HashiCorp Vault, with leases and tokens, on a loopback port.

A stand-in: OpenBao, which can be installed, has no AWS secrets engine of its own, and Vault is in no package registry.
Paths, statuses and messages are those of Vault's documentation and source (builtin/logical/aws, vault/expiration.go);
tests/hashicorp/test_openbao.py holds some of them against the real OpenBao.
The credentials that it gives are those of the emulated AWS, whose users it makes and deletes.
"""

import itertools
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.emulator import Aws, Keys

ROOT_TOKEN = "hvs.the-token-of-a-person-in-the-tests"

#: Bytes of a request.
_LIMIT = 64 * 1024

_DENIED = "permission denied"
_NAMES = itertools.count()


@dataclass
class Role:
    """A role of the engine."""

    credential_type: str = "iam_user"
    lease: int = 3600
    """Seconds."""
    lease_max: int = 24 * 3600
    role_arn: str = ""
    is_legacy: bool = False


@dataclass
class Lease:
    """What the engine has given."""

    id: str
    role: Role
    keys: Keys
    user: str
    started: float
    ends: float


@dataclass
class Engine:
    """The emulated server: what it knows, what it was asked, and how it misbehaves."""

    aws: Aws | None = None
    address: str = ""
    mount: str = "aws"
    namespace: str = ""
    tokens: dict[str, set[str]] = field(default_factory=lambda: {ROOT_TOKEN: {""}})
    """The paths that each token may use, by their beginnings."""
    roles: dict[str, Role] = field(default_factory=dict)
    leases: dict[str, Lease] = field(default_factory=dict)
    revoked: list[str] = field(default_factory=list)
    """The ids of leases."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of each request, in order."""
    headers: list[dict[str, str]] = field(default_factory=list)
    is_sealed: bool = False
    delay: float = 0
    """Seconds that each request is held back; none any more once it is set to 0."""
    answers: Callable[[str], tuple[int, dict[str, str], bytes] | None] = lambda path: None
    """Answers in place of the engine: status, headers and body; None leaves it to the engine."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, path: str) -> int:
        """How often a path, below /v1/, was asked."""
        return sum(asked == path for _, asked in self.asked)

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        """Status, and what is sent as JSON; None for nothing."""
        token = headers.get("X-Vault-Token", "")
        if self.is_sealed:
            return 503, {"errors": ["Vault is sealed"]}
        if token not in self.tokens:
            return 403, {"errors": ["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]}
        if path == "auth/token/lookup-self":
            return 200, {"data": {"ttl": 3600}}
        if headers.get("X-Vault-Namespace", "").strip("/") != self.namespace or not any(
            map(path.startswith, self.tokens[token])
        ):
            return 403, {"errors": [f"1 error occurred:\n\t* {_DENIED}\n\n"]}
        given = json.loads(body or b"{}")
        if path == "sys/leases/renew" and method in ("PUT", "POST"):
            return self._renew(given)
        if path == "sys/leases/revoke" and method in ("PUT", "POST"):
            return self._revoke(given)
        found = re.fullmatch(rf"{re.escape(self.mount)}/(creds|sts)/(.+)", path)
        if not found:
            return 404, {"errors": [f'no handler for route "{path}". route entry not found.']}
        return self._give(*found.groups(), given)

    def _give(self, endpoint: str, name: str, given: dict[str, Any]) -> tuple[int, Any]:
        role = self.roles.get(name)
        if role is None:
            return 400, {"errors": [f'Role "{name}" not found']}
        if role.is_legacy and (endpoint == "creds") != (role.credential_type == "iam_user"):
            text = f"attempted to retrieve {role.credential_type} credentials through the {endpoint} path"
            return 400, {"errors": [f"{text}; this is not allowed for legacy roles"]}
        user = f"vault-{name}-{int(time.time())}-{next(_NAMES)}"
        keys, life = self._made(role, user, given)
        lease = Lease(
            f"{self.mount}/{endpoint}/{name}/{user}", role, keys, user, time.time(), time.time() + life
        )
        with self.lock:
            self.leases[lease.id] = lease
        data = {
            "access_key": keys.access_key_id,
            "secret_key": keys.secret_access_key,
            "security_token": keys.session_token,
            **({"arn": f"{role.role_arn}/{user}"} if role.role_arn else {}),
        }
        return 200, self._lease_reply(lease, life) | {"data": data}

    def _made(self, role: Role, user: str, given: dict[str, Any]) -> tuple[Keys, int]:
        if role.credential_type == "iam_user":
            return (self.aws.user(user) if self.aws else Keys(f"AKIA{user[-12:]:0>16}", "secret")), role.lease
        life = min(int(str(given.get("ttl", role.lease)).rstrip("s")), role.lease_max)
        if not self.aws:
            return Keys(f"ASIA{user[-12:]:0>16}", "secret", "token"), life
        sts = self.aws.client("sts")
        reply = sts.assume_role(RoleArn=role.role_arn, RoleSessionName=user, DurationSeconds=max(life, 900))
        found = reply["Credentials"]
        return Keys(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"]), life

    def _lease_reply(self, lease: Lease, life: int) -> dict[str, Any]:
        is_sts = lease.keys.session_token is not None
        return {
            "request_id": "0",
            "lease_id": lease.id,
            "renewable": not is_sts,
            "lease_duration": life,
            "wrap_info": None,
            "warnings": None,
            "auth": None,
        }

    def _renew(self, given: dict[str, Any]) -> tuple[int, Any]:
        lease = self.leases.get(given.get("lease_id", ""))
        if lease is None:
            return 400, {"errors": ["lease not found"]}
        if lease.keys.session_token:
            return 400, {"errors": ["lease is not renewable"]}
        life = int(min(lease.role.lease, lease.started + lease.role.lease_max - time.time()))
        lease.ends = time.time() + life
        return 200, self._lease_reply(lease, life) | {"data": None}

    def _revoke(self, given: dict[str, Any]) -> tuple[int, Any]:
        with self.lock:
            lease = self.leases.pop(given.get("lease_id", ""), None)
            self.revoked.append(given.get("lease_id", ""))
        if lease and self.aws and lease.role.credential_type == "iam_user":
            iam = self.aws.client("iam")
            iam.delete_access_key(UserName=lease.user, AccessKeyId=lease.keys.access_key_id)
            iam.delete_user_policy(UserName=lease.user, PolicyName="all")
            iam.delete_user(UserName=lease.user)
        return 204, None


@contextmanager
def serving(engine: Engine) -> Iterator[Engine]:
    """Serves the engine on a loopback port until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def _serve(self) -> None:
            length = min(int(self.headers.get("Content-Length") or 0), _LIMIT)
            body = self.rfile.read(length)
            path = self.path.partition("?")[0].removeprefix("/v1/")
            headers = dict(self.headers)
            with engine.lock:
                engine.asked.append((self.command, path))
                engine.headers.append(headers)
            until = time.monotonic() + engine.delay
            while engine.delay and time.monotonic() < until:
                time.sleep(0.02)
            instead = engine.answers(path)
            if instead:
                self._send(*instead)
                return
            status, found = engine.answer(self.command, path, headers, body)
            content = b"" if found is None else json.dumps(found).encode()
            self._send(status, {"Content-Type": "application/json"}, content)

        def _send(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = _serve  # noqa: N815 - the names of http.server

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Handler) as server:
        engine.address = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield engine
        finally:
            server.shutdown()
