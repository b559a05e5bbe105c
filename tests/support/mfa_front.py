"""A front to the emulator's STS that checks MFA codes as AWS does, which no emulator does.

A code is a TOTP code (RFC 6238) of the device, good in its own window and in the one before, and good once.
Calls are passed on untouched, the Host header included, since the emulator checks their signatures.
"""

import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pyotp

from tests.support.http_front import Answer, forward, serving

_INVALID = "MultiFactorAuthentication failed with invalid MFA one time pass code."
_UNKNOWN = (
    "MultiFactorAuthentication failed, unable to validate MFA code. "
    "Please verify your MFA serial number is valid and associated with this user."
)


@dataclass
class MfaFront:
    """What the front has seen, and how it behaves."""

    upstream: str
    endpoint: str = ""
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

    def respond(self, headers: dict[str, str], body: bytes) -> Answer:
        """The answer to one call."""
        refusal = self.refusal(dict(urllib.parse.parse_qsl(body.decode())))
        time.sleep(self.delay)
        if refusal:
            return Answer(refusal[0], {"Content-Type": "text/xml"}, _error(*refusal[1:]))
        if self.answer is not None:
            return Answer(200, {"Content-Type": "text/xml"}, self.answer)
        return forward(self.upstream, headers, body)


@contextmanager
def fronting(upstream: str) -> Iterator[MfaFront]:
    """Runs a front to the emulator at the URL `upstream` on a free loopback port until the block ends."""

    front = MfaFront(upstream)
    with serving(front.respond) as front.endpoint:
        yield front


def _error(code: str, message: str) -> bytes:
    return (
        '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
        f"<Code>{code}</Code><Message>{message}</Message></Error><RequestId>front</RequestId></ErrorResponse>"
    ).encode()
