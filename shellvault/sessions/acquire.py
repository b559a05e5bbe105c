"""Walks a plan: from the last step back to a session that is still valid, and from there forward."""

from dataclasses import replace
from typing import TYPE_CHECKING

from shellvault.plan import Plan, Step
from shellvault.sessions.cache import SessionCache
from shellvault.sessions.context import Context
from shellvault.sessions.making import KeysReplacedError, Made, Walk, make
from shellvault.sessions.model import Prompter, Session
from shellvault.sessions.recursion import check_recursion
from shellvault.sessions.refusals import RefusedError

if TYPE_CHECKING:
    from shellvault.vault import Vault

__all__ = ["Context", "KeysReplacedError", "acquire"]

#: Seconds between two attempts with keys that are new to AWS; ten in all are usual.
_UNTIL_KNOWN = (1.0, 2.0, 4.0, 6.0)


def acquire(plan: Plan, vault: "Vault", cache: SessionCache, prompter: Prompter, context: Context) -> Session:
    """The session of `plan`, cached or new.

    With `context.fresh` the last step is always repeated, and so is every earlier one that costs no
    code. Raises ConfigError, VaultError, SessionError (RefusedError when AWS says no) and NeedsPersonError.
    """
    walk = Walk(plan, vault, cache, prompter, context, context.clock())
    return _session(walk, len(plan.steps) - 1, rejected=None)


def _session(walk: Walk, index: int, rejected: str | None) -> Session:
    """The session of one step. `rejected` is the access key id of one that AWS did not accept."""
    step = walk.plan.steps[index]
    if not step.is_cached:
        return make(step, Made(walk, rejected=rejected))
    if (cached := _cached(walk, step, rejected)) is not None:
        return cached
    check_recursion(step.profile, walk.context.environment)
    with walk.cache.lock(step):
        if (cached := _cached(walk, step, rejected)) is not None:
            return cached
        session = _new(walk, index, rejected)
        # Keys that do not expire may change at any time: their source is asked each time.
        if session.expires_at is not None:
            walk.cache.store(step, session)
        return session


def _cached(walk: Walk, step: Step, rejected: str | None) -> Session | None:
    """The kept session of `step`, or a substitute, if it may be used."""
    kept = (
        _usable(walk, step, walk.cache.load(replace(step, fingerprint=fingerprint)), rejected)
        for fingerprint in (step.fingerprint, *step.substitutes)
    )
    return next(filter(None, kept), None)


def _usable(walk: Walk, step: Step, session: Session | None, rejected: str | None) -> Session | None:
    """The session, if it is new enough or has enough life left."""
    remaining = session.remaining(walk.context.clock()) if session else 0
    if session is None or session.access_key_id == rejected or remaining <= 0:
        return None
    if session.issued_at >= walk.started:
        return session
    is_last = step is walk.plan.steps[-1]
    if walk.context.fresh and (is_last or not step.prompts_mfa):
        return None
    return session if remaining >= walk.context.min_remaining else None


def _new(walk: Walk, index: int, rejected: str | None) -> Session:
    """Does a step. If AWS no longer accepts the cached session it starts from, that is replaced once."""
    step, before = walk.plan.steps[index], walk.plan.steps[index - 1] if index else None
    source = _session(walk, index - 1, rejected=None) if before and before.gives_session else None
    made = Made(walk, source, rejected)
    try:
        return _made_once_known(step, made)
    except RefusedError as error:
        is_cached = source is not None and source.expires_at is not None and source.issued_at < walk.started
        if source is None or not is_cached or error.reason != "rejected-credentials":
            raise
        return make(step, replace(made, source=_session(walk, index - 1, rejected=source.access_key_id)))


def _made_once_known(step: Step, made: Made) -> Session:
    """Does a step. Retries with keys of an IAM user that Vault just made: AWS does not know them everywhere at once.

    IAM User Guide, "Changes that I make are not always immediately visible".
    """
    walk, source = made.walk, made.source
    is_new_user = (
        source is not None
        and source.lease is not None
        and source.lease.revocable
        and source.issued_at >= int(walk.started)
    )
    for pause in _UNTIL_KNOWN if is_new_user else ():
        try:
            return make(step, made)
        except RefusedError as error:
            if error.reason != "rejected-credentials":
                raise
            walk.context.waits_for("AWS to know the keys that Vault has just made")
            walk.context.sleep(pause)
    return make(step, made)
