"""Retries for services that say "later": they wait as long as asked, within a limit."""

import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from shellvault.sessions.refusals import BusyError, UnreachableError

Result = TypeVar("Result")

#: Seconds after which a call is given up: when AWS asks to wait, and when AWS cannot serve it (5xx).
#: A wait for a lock is longer (`locks.WAIT_SECONDS`).
LONGEST, LONGEST_OUT_OF_ORDER = 240.0, 30.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0
#: Seconds between two reports of a wait: the agent ends a worker that is silent for 30 s.
_SLICE = 5.0
#: How often a call is made that gets no answer at all, where it may be repeated; and the seconds after which it is not:
#: a silent server is given up within one deadline.
NETWORK_TRIES, _QUICKLY = 3, 5.0


class Pace:
    """The pace of calls that several threads share: calls a second, slower after a refusal, and pauses for all."""

    def __init__(self, a_second: float | None = None) -> None:
        self._least = self._gap = 1 / a_second if a_second else 0.0
        self._next = self._held_until = time.monotonic()
        self._lock = threading.Lock()

    def wait(self, sleep: Callable[[float], None] = time.sleep) -> None:
        """Returns when the next call may go out."""
        with self._lock:
            at = max(self._next, time.monotonic())
            self._next = at + self._gap
            self._gap = max(self._least, self._gap * 0.8)
        sleep(max(0.0, at - time.monotonic()))

    def hold(self, seconds: float) -> None:
        """Stops every call for some seconds, then lets them go at half the speed for a while."""
        with self._lock:
            now = time.monotonic()
            if now > self._held_until:
                self._gap = min(1.0, self._gap * 2)
            self._held_until = max(self._held_until, now + seconds)
            self._next = max(self._next, self._held_until)


def patiently(
    call: Callable[[], Result],
    waits_for: Callable[[str], None],
    pace: Pace | None = None,
    network_tries: int = 1,
) -> Result:
    """The result of `call`, repeated while AWS is busy; `waits_for` is called meanwhile. Raises what `call` does.

    The pauses are AWS's (Retry-After, RFC 9110, 10.2.3), or double each time.
    """
    pace = pace or Pace()
    begun, pause, unanswered = time.monotonic(), _FIRST_PAUSE, 0

    def sleep(seconds: float) -> None:
        while seconds > 0:
            time.sleep(min(seconds, _SLICE))
            seconds -= _SLICE
            if seconds > 0:
                waits_for("AWS, which is busy")

    while True:
        pace.wait(sleep)
        try:
            return call()
        except BusyError as error:
            after = error.answer.after
            wait = pause * random.uniform(0.5, 1.5) if after is None else after  # noqa: S311
            longest = LONGEST_OUT_OF_ORDER if after is None and not error.answer.is_busy else LONGEST
            if time.monotonic() - begun + wait > longest:
                raise
            waits_for("AWS, which is busy")
        except UnreachableError:
            unanswered += 1
            if unanswered >= network_tries or time.monotonic() - begun > _QUICKLY:
                raise
            wait = pause
        pace.hold(wait)
        pause = min(pause * 2, _LONGEST_PAUSE)
