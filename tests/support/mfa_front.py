"""A front to the emulator's STS that checks MFA codes as AWS does, which no emulator does.

A code is a TOTP code (RFC 6238) of the device, good in its own window and in the one before, and good once.
Calls are passed on untouched, the Host header included, since the emulator checks their signatures.
"""

import http.client
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pyotp

#: Bytes of a request; STS takes 200 KB at most.
_REQUEST_LIMIT = 1024 * 1024
_INVALID = "MultiFactorAuthentication failed with invalid MFA one time pass code."
_UNKNOWN = (
    "MultiFactorAuthentication failed, unable to validate MFA code. "
    "Please verify your MFA serial number is valid and associated with this user."
)
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "server", "date"}


@dataclass
class MfaFront:
    """What the front has seen, and how it behaves."""

    endpoint: str
    upstream: str
    step: int = 30
    """Seconds that a device shows one code."""
    delay: float = 0
    """Seconds that each call is held back."""
    failure: tuple[int, str, str] | None = None
    """Status, code and message of the error that every call gets, None: calls are answered."""
    answer: bytes | None = None
    """What every call gets instead of the emulator's answer."""
    calls: Counter[str] = field(default_factory=Counter)
    """How often each action was called, refused calls included."""
    forms: list[dict[str, str]] = field(default_factory=list)
    """The form of each call, in order."""
    _devices: dict[str, str] = field(default_factory=dict)
    _used: set[tuple[str, str]] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def device(self, serial: str) -> None:
        """Makes a device, whose codes AWS checks from now on."""
        self._devices[serial] = pyotp.random_base32()

    def code(self, serial: str, windows: int = 0) -> str:
        """The code that the device shows now, or will show so many windows from now."""
        return self._totp(serial).at(time.time() + windows * self.step)

    def wrong_code(self, serial: str) -> str:
        """A code that is good in none of the windows around now."""
        good = {self.code(serial, windows) for windows in range(-2, 3)}
        return next(
            code for code in ("000000", "111111", "222222", "333333", "444444", "555555") if code not in good
        )

    def _totp(self, serial: str) -> pyotp.TOTP:
        return pyotp.TOTP(self._devices[serial], interval=self.step)

    def refusal(self, form: dict[str, str]) -> tuple[int, str, str] | None:
        """Status, code and message of the error for a call, None when it may pass."""
        with self._lock:
            self.calls[form.get("Action", "?")] += 1
            self.forms.append(form)
            if self.failure:
                return self.failure
            serial, code = form.get("SerialNumber"), form.get("TokenCode")
            if serial is None and code is None:
                return None
            if serial is None or serial not in self._devices:
                return 403, "AccessDenied", _UNKNOWN
            good = {self.code(serial), self.code(serial, -1)}
            if code is None or code not in good or (serial, code) in self._used:
                return 403, "AccessDenied", _INVALID
            self._used.add((serial, code))
            return None


@contextmanager
def fronting(upstream: str) -> Iterator[MfaFront]:
    """Runs a front to the emulator at the URL `upstream` on a free loopback port until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = min(int(self.headers.get("Content-Length", 0)), _REQUEST_LIMIT)
            body = self.rfile.read(length)
            refusal = front.refusal(dict(urllib.parse.parse_qsl(body.decode())))
            time.sleep(front.delay)
            if refusal:
                self._answer(refusal[0], {"Content-Type": "text/xml"}, _error(*refusal[1:]))
            elif front.answer is not None:
                self._answer(200, {"Content-Type": "text/xml"}, front.answer)
            else:
                self._answer(*_forward(upstream, dict(self.headers), body))

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Handler) as server:
        front = MfaFront(f"http://127.0.0.1:{server.server_port}", upstream)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield front
        finally:
            server.shutdown()


def _forward(upstream: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
    host = urllib.parse.urlsplit(upstream).netloc
    connection = http.client.HTTPConnection(host, timeout=30)
    try:
        connection.putrequest("POST", "/", skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        kept = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP}
        return answer.status, kept, answer.read()
    finally:
        connection.close()


def _error(code: str, message: str) -> bytes:
    return (
        '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
        f"<Code>{code}</Code><Message>{message}</Message></Error><RequestId>front</RequestId></ErrorResponse>"
    ).encode()
