"""Walks a plan: from the last step back to a session that is still good, and from there forward again."""

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from shellvault.display import printable
from shellvault.errors import NeedsPersonError, SessionError
from shellvault.plan import Plan, Step
from shellvault.sessions import mfa, processes
from shellvault.sessions.cache import SessionCache
from shellvault.sessions.context import Context, SignInTask
from shellvault.sessions.model import Helper, HelperKind, Prompter, Session
from shellvault.sessions.recursion import check_recursion
from shellvault.sessions.refusals import RefusedError

if TYPE_CHECKING:
    from shellvault.vault import Vault

__all__ = ["Context", "acquire"]

#: Seconds between two attempts with keys that are new to AWS; ten in all are usual.
_UNTIL_KNOWN = (1.0, 2.0, 4.0, 6.0)


@dataclass(frozen=True, slots=True)
class _Walk:
    """What every step of one acquisition shares."""

    plan: Plan
    vault: "Vault"
    cache: SessionCache
    prompter: Prompter
    context: Context
    started: float
    """Epoch seconds: what was issued later is as new as can be, whoever got it."""


class KeysReplacedError(SessionError):
    """The vault has other keys of `name` than the plan was made for."""

    def __init__(self, message: str, name: str) -> None:
        super().__init__(message)
        self.name = name


def acquire(plan: Plan, vault: "Vault", cache: SessionCache, prompter: Prompter, context: Context) -> Session:
    """The session of `plan`, cached or new.

    With `context.fresh` the last step is always done anew, and so is every earlier one that costs no
    code. Raises ConfigError, VaultError, SessionError (RefusedError when AWS says no) and NeedsPersonError.
    """
    walk = _Walk(plan, vault, cache, prompter, context, context.clock())
    return _session(walk, len(plan.steps) - 1, rejected=None)


def _session(walk: _Walk, index: int, rejected: str | None) -> Session:
    """The session of one step. `rejected` is the access key id of one that AWS did not take."""
    step = walk.plan.steps[index]
    if step.call == "stored-keys":
        return _stored_keys(walk, step)
    if step.call == "aws-sign-in":
        return _signed_in(walk, step, None, rejected)
    if (cached := _cached(walk, step, rejected)) is not None:
        return cached
    check_recursion(step.profile, walk.context.environment)
    with walk.cache.lock(step):
        if (cached := _cached(walk, step, rejected)) is not None:
            return cached
        session = _new(walk, index, rejected)
        # Keys that do not expire may change at any time: whoever gave them is asked each time.
        if session.expires_at is not None:
            walk.cache.store(step, session)
        return session


def _whom(step: Step) -> str:
    """Who has to answer before a step is done."""
    name = printable(step.profile)
    if step.call == "credential-process":
        return f"the credential_process of {name}"
    return f"AWS ({step.call} of {name})"


def _stored_keys(walk: _Walk, step: Step) -> Session:
    walk.context.waits_for("the vault")
    keys = walk.vault.load_keys(step.profile)
    if keys.access_key_id != step.access_key_id:
        name = printable(step.profile)
        raise KeysReplacedError(
            f"the keys of {name} were replaced just now: run the command again", step.profile
        )
    return Session(keys.access_key_id, keys.secret_access_key)


def _cached(walk: _Walk, step: Step, rejected: str | None) -> Session | None:
    """The kept session of `step`, or one that serves as well, if it may be used."""
    kept = (
        _usable(walk, step, walk.cache.load(replace(step, fingerprint=fingerprint)), rejected)
        for fingerprint in (step.fingerprint, *step.substitutes)
    )
    return next(filter(None, kept), None)


def _usable(walk: _Walk, step: Step, session: Session | None, rejected: str | None) -> Session | None:
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


def _new(walk: _Walk, index: int, rejected: str | None) -> Session:
    """Does a step. A session from the cache that AWS no longer takes as its source is replaced, once."""
    if walk.plan.steps[index].call == "secrets-engine":
        return _leased(walk, walk.plan.steps[index], rejected)
    if walk.plan.steps[index].call == "sso":
        return _signed_in(walk, walk.plan.steps[index - 1], walk.plan.steps[index], None)
    source = _session(walk, index - 1, rejected=None) if index else None
    try:
        return _done_once_known(walk, walk.plan.steps[index], source)
    except RefusedError as error:
        is_cached = source is not None and source.expires_at is not None and source.issued_at < walk.started
        if source is None or not is_cached or error.reason != "rejected-credentials":
            raise
        return _done(walk, walk.plan.steps[index], _session(walk, index - 1, rejected=source.access_key_id))


def _leased(walk: _Walk, step: Step, rejected: str | None) -> Session:
    """The credentials of a secrets engine: a lease of before for longer where that can be, else a new one."""
    from shellvault.sessions import secrets_engine

    context = walk.context
    if step.engine is None or step.engine.server is None:
        raise ValueError("not a step of a secrets engine")
    held = None if context.fresh else walk.cache.held(step)
    if held and (held.access_key_id == rejected or held.remaining(context.clock()) <= 0):
        held = None
    context.waits_for(f"Vault ({step.engine.path})")
    token = secrets_engine.ask_token(step.engine.server, walk.prompter, context)
    return secrets_engine.credentials(step, held, token, context.clock())


def _done_once_known(walk: _Walk, step: Step, source: Session | None) -> Session:
    """Does a step. The keys of an IAM user that Vault has just made are not known everywhere at once.

    IAM User Guide, "Changes that I make are not always immediately visible".
    """
    is_new_user = (
        source is not None
        and source.lease is not None
        and source.lease.revocable
        and source.issued_at >= int(walk.started)
    )
    for pause in _UNTIL_KNOWN if is_new_user else ():
        try:
            return _done(walk, step, source)
        except RefusedError as error:
            if error.reason != "rejected-credentials":
                raise
            walk.context.waits_for("AWS to know the keys that Vault has just made")
            walk.context.sleep(pause)
    return _done(walk, step, source)


def _signed_in(walk: _Walk, sign_in: Step, role: Step | None, rejected: str | None) -> Session:
    """The session of a person who signs in through a browser; where it lies is the sign-in's own affair."""
    check_recursion(sign_in.profile, walk.context.environment)
    lock = partial(walk.cache.lock, sign_in)
    task = SignInTask(sign_in, role, walk.vault, walk.prompter, walk.context, lock, rejected)
    if walk.context.signed_in is None:
        raise NeedsPersonError(
            f"a sign-in is needed for {printable(sign_in.profile)}, and not to be had here"
        )
    return walk.context.signed_in(task)


def _done(walk: _Walk, step: Step, source: Session | None) -> Session:
    from shellvault.sessions.calls import call_sts

    context, run = walk.context, partial(_run, walk, step)
    now = context.clock()
    context.waits_for(_whom(step))
    if step.call == "credential-process":
        return processes.credential_process(step, run, now)
    if step.credential_source is not None:
        from shellvault.sessions.sources import from_source

        return from_source(step, walk.context.environment, now)
    if step.call == "assume-role-with-web-identity":
        return call_sts(step, None, now, token=processes.web_identity_token(step, run))
    if step.prompts_mfa:

        def use(code: str) -> Session:
            return call_sts(step, source, context.clock(), code)

        return mfa.with_code(step, walk.prompter, context, run, use)
    return call_sts(step, source, now)


def _run(walk: _Walk, step: Step, kind: HelperKind, command: str) -> bytes:
    """The stdout of a helper program of the step's profile. Raises SessionError."""
    resolving = tuple(dict.fromkeys([walk.plan.profile, step.profile]))
    helper = Helper(kind, step.profile, command, walk.context.regions.get(step.profile), resolving)
    if walk.context.run_helper:
        return walk.context.run_helper(helper)
    return processes.run_helper(helper, walk.context.environment, walk.context.directory)
