"""A front to the emulator that counts the calls, and can make the sessions it passes on short-lived.

AWS gives no session under 15 minutes and shellvault asks for none, so a test that waits for an expiry needs
the lifetime changed on the way. The request is then signed anew with the caller's own secret, which the front
was told or has seen pass by. The emulator enforces the short expiry.
"""

import re
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.support.emulator import REGION, Aws, Keys

_CREDENTIALS = re.compile(
    r"<AccessKeyId>(.*?)</AccessKeyId>\s*<SecretAccessKey>(.*?)</SecretAccessKey>"
    r"\s*<SessionToken>(.*?)</SessionToken>",
    re.DOTALL,
)


@dataclass
class StsFront:
    """What the front has seen, and how it behaves."""

    endpoint: str
    upstream: str
    calls: list[str] = field(default_factory=list)
    """The actions called, in order."""
    delay: float = 0
    """Seconds that each call is held back, so that commands started together are in flight together."""
    lifetime: int | None = None
    """Seconds that sessions live from now on; None: as long as asked for."""
    secrets: dict[str, Keys] = field(default_factory=dict)
    """The keys that calls may be signed with, by access key id; needed for a `lifetime`."""

    def knows(self, keys: Keys) -> None:
        """Lets sessions made with `keys` be shortened."""
        self.secrets[keys.access_key_id] = keys

    def forward(self, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """Passes one call on; the emulator's status and answer."""
        form = dict(urllib.parse.parse_qsl(body.decode()))
        self.calls.append(form.get("Action", "?"))
        time.sleep(self.delay)
        if self.lifetime is not None and "DurationSeconds" in form:
            form["DurationSeconds"] = str(self.lifetime)
            body = urllib.parse.urlencode(form).encode()
            headers = self._sign(headers, body)
        request = urllib.request.Request(self.upstream, data=body, headers=headers)
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(request, timeout=30) as answer:
                status, content = answer.status, answer.read()
        except urllib.error.HTTPError as refusal:
            status, content = refusal.code, refusal.read()
        for found in _CREDENTIALS.finditer(content.decode()):
            self.knows(Keys(*found.groups()))
        return status, content

    def _sign(self, headers: dict[str, str], body: bytes) -> dict[str, str]:
        """The headers of the same call with another body. Raises KeyError for an unknown caller."""
        signed = re.search(r"Credential=([^/]+)/", headers.get("Authorization", ""))
        keys = self.secrets[signed.group(1) if signed else ""]
        request = AWSRequest(
            "POST", self.upstream, headers={"Content-Type": headers["Content-Type"]}, data=body
        )
        credentials = Credentials(keys.access_key_id, keys.secret_access_key, keys.session_token)
        SigV4Auth(credentials, "sts", REGION).add_auth(request)
        return dict(request.headers)


@contextmanager
def fronting(aws: Aws) -> Iterator[StsFront]:
    """Runs a front to `aws` on a loopback port of its own until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, content = front.forward(dict(self.headers), body)
            self.send_response(status)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Handler) as server:
        front = StsFront(f"http://127.0.0.1:{server.server_port}", aws.endpoint)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield front
        finally:
            server.shutdown()
