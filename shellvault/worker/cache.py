"""The session cache of the agent's worker."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from shellvault import renewal
from shellvault.plan import Step
from shellvault.sessions.cache import DirectCache
from shellvault.sessions.model import Session
from shellvault.worker.channel import JobPrompter

_step_locks: dict[str, threading.Lock] = {}
_step_holders: dict[str, int] = {}
"""The jobs that hold these locks."""


@contextmanager
def _step_lock(fingerprint: str, prompter: JobPrompter) -> Iterator[None]:
    """Lets one job at a time do a step. A waiting job reports the other job, which may be asking a person."""
    lock = _step_locks.setdefault(fingerprint, threading.Lock())
    if not lock.acquire(blocking=False):
        prompter.waits_behind(_step_holders.get(fingerprint, 0))
        lock.acquire()
        prompter.waits_behind(0)
    _step_holders[fingerprint] = prompter.job
    try:
        yield
    finally:
        lock.release()


class AgentCache:
    """The worker's session cache: the agent's memory first, then the vault for what it keeps."""

    def __init__(self, prompter: JobPrompter, direct: DirectCache, *, renew: bool, is_shared: bool) -> None:
        """`is_shared`: stored sessions may be used by other jobs."""
        self._prompter = prompter
        self._channel = prompter.channel
        self._direct = direct
        self._renew = renew
        self._is_shared = is_shared

    def load(self, step: Step) -> Session | None:
        """See SessionCache. A renewal does not see the session to replace, unless a new one takes a person."""
        data = self._channel.load(step.fingerprint)
        session = Session.from_json(data) if data else None
        if self._direct.keeps(step) and (session is None or self._is_due(session)):
            # A command without the agent may have stored a newer one.
            session = max(session, self._direct.load(step), key=_end)
        if session and self._renew and not step.prompts_mfa and self._is_due(session):
            return None
        return session

    def held(self, step: Step) -> Session | None:
        """See SessionCache."""
        data = self._channel.load(step.fingerprint)
        return Session.from_json(data) if data else None

    def store(self, step: Step, session: Session) -> None:
        """See SessionCache."""
        if self._is_shared:
            self._channel.store(step.fingerprint, session.to_json())
            self._direct.store(step, session)

    @contextmanager
    def lock(self, step: Step) -> Iterator[None]:
        """See SessionCache. Locks among the worker's jobs; among all processes for what the vault keeps."""
        with _step_lock(step.fingerprint, self._prompter), self._direct.lock(step):
            yield

    def _is_due(self, session: Session) -> bool:
        if session.expires_at is None:
            return False
        lead = renewal.lead(session.issued_at, session.expires_at)
        return session.remaining(time.time()) <= lead * renewal.REACH


def _end(session: Session | None) -> int:
    return session.expires_at or 0 if session else -1
