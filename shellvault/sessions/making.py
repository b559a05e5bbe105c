"""Makes the call of each kind of step: one function per kind, and a table of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from shellvault.display import printable
from shellvault.errors import NeedsPersonError, SessionError
from shellvault.plan import Plan
from shellvault.plan.steps import (
    AssumeRole,
    AwsSignIn,
    FederationToken,
    Leased,
    Process,
    SessionToken,
    SignIn,
    Source,
    SsoRole,
    Step,
    StoredKeys,
    StsCall,
    WebIdentity,
)
from shellvault.sessions import mfa, processes
from shellvault.sessions.cache import SessionCache
from shellvault.sessions.context import Context, SignInTask
from shellvault.sessions.marking import marked
from shellvault.sessions.model import Helper, HelperKind, Prompter, Session
from shellvault.sessions.recursion import check_recursion

if TYPE_CHECKING:
    from shellvault.vault import Vault


@dataclass(frozen=True, slots=True)
class Walk:
    """What every step of one acquisition shares."""

    plan: Plan
    vault: "Vault"
    cache: SessionCache
    prompter: Prompter
    context: Context
    started: float
    """Epoch seconds: a session issued later counts as new, whichever process got it."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a step starts from: the session of the step before, if that gives one."""

    walk: Walk
    source: Session | None = None
    rejected: str | None = None
    """The access key id of a session that AWS did not accept."""


class KeysReplacedError(SessionError):
    """The keys of `name` in the vault are not those of the plan."""

    def __init__(self, message: str, name: str) -> None:
        super().__init__(message)
        self.name = name


def make(step: Step, made: Made) -> Session:
    """Makes the call of a step. Raises as `acquire`."""
    return CALLS[type(step)](step, made)


def _stored_keys(step: StoredKeys, made: Made) -> Session:
    made.walk.context.waits_for("the vault")
    keys = made.walk.vault.load_keys(step.profile)
    if keys.access_key_id != step.access_key_id:
        name = printable(step.profile)
        raise KeysReplacedError(
            f"the keys of {name} were replaced just now: run the command again", step.profile
        )
    return Session(keys.access_key_id, keys.secret_access_key)


def _aws_sign_in(step: AwsSignIn, made: Made) -> Session:
    return _signed_in(made.walk, step, step, made.rejected)


def _sso_role(step: SsoRole, made: Made) -> Session:
    return _signed_in(made.walk, step.sign_in, step, None)


def _signed_in(walk: Walk, sign_in: SignIn, step: AwsSignIn | SsoRole, rejected: str | None) -> Session:
    """The session of a sign-in through a browser; the sign-in decides where it is kept."""
    check_recursion(sign_in.profile, walk.context.environment)
    lock = partial(walk.cache.lock, sign_in)
    task = SignInTask(step, walk.vault, walk.prompter, walk.context, lock, rejected)
    if walk.context.signed_in is None:
        raise NeedsPersonError(
            f"a sign-in is needed for {printable(sign_in.profile)}, and not to be had here"
        )
    return walk.context.signed_in(task)


def _leased(step: Leased, made: Made) -> Session:
    """The previous lease, renewed if possible, else a new one."""
    context = made.walk.context
    held = None if context.fresh else made.walk.cache.held(step)
    if held and (held.access_key_id == made.rejected or held.remaining(context.clock()) <= 0):
        held = None
    context.waits_for(f"Vault ({step.engine.path})")
    assert context.leased is not None  # noqa: S101 - both hosts of a request set it
    return context.leased(step, held, made.walk.prompter, context)


def _process(step: Process, made: Made) -> Session:
    now = made.walk.context.clock()
    made.walk.context.waits_for(f"the credential_process of {printable(step.profile)}")
    return processes.credential_process(step, partial(_run, made.walk, step), now)


def _source(step: Source, made: Made) -> Session:
    from shellvault.sessions.sources import from_source

    now = _waiting_for_aws(step, made)
    return from_source(step, made.walk.context.environment, now)


def _web_identity(step: WebIdentity, made: Made) -> Session:
    from shellvault.sessions.calls import call_sts

    now = _waiting_for_aws(step, made)
    token = processes.web_identity_token(step, partial(_run, made.walk, step))
    return call_sts(step, None, now, token=token)


def _sts(step: StsCall, made: Made) -> Session:
    from shellvault.sessions.calls import call_sts

    context, now = made.walk.context, _waiting_for_aws(step, made)
    if not step.prompts_mfa:
        return call_sts(step, made.source, now)

    def use(code: str) -> Session:
        return call_sts(step, made.source, context.clock(), code)

    return mfa.with_code(step, made.walk.prompter, context, partial(_run, made.walk, step), use)


def _assume_role(step: AssumeRole, made: Made) -> Session:
    context = made.walk.context
    return marked(
        step,
        lambda step: _sts(step, made),
        context.state_directory,
        context.clock(),
        made.walk.prompter.tell,
    )


def _waiting_for_aws(step: Step, made: Made) -> float:
    """Reports what the caller waits for, and returns the time now."""
    made.walk.context.waits_for(f"AWS ({step.call} of {printable(step.profile)})")
    return made.walk.context.clock()


def _run(walk: Walk, step: Step, kind: HelperKind, command: str) -> bytes:
    """The stdout of a helper program of the step's profile. Raises SessionError."""
    resolving = tuple(dict.fromkeys([walk.plan.profile, step.profile]))
    helper = Helper(kind, step.profile, command, walk.context.regions.get(step.profile), resolving)
    if walk.context.run_helper:
        return walk.context.run_helper(helper)
    return processes.run_helper(helper, walk.context.environment, walk.context.directory)


#: How each kind of step is made; a sign-in to a portal is a part of its role.
CALLS: Mapping[type[Step], Callable[[Any, Made], Session]] = {
    StoredKeys: _stored_keys,
    AwsSignIn: _aws_sign_in,
    SsoRole: _sso_role,
    Leased: _leased,
    Process: _process,
    Source: _source,
    WebIdentity: _web_identity,
    SessionToken: _sts,
    AssumeRole: _assume_role,
    FederationToken: _sts,
}
