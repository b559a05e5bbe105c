"""One job of the worker: from a request line to the texts asked for. Only the worker imports this."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

from shellvault import callers_terminal, guard, locations, marks, renewal, settings, threads, waiting
from shellvault.errors import NotForAgentError, SessionError, UsageError
from shellvault.fastlane import request
from shellvault.fastlane.sections import text_of
from shellvault.files import stamp
from shellvault.plan import Step, assumed_role
from shellvault.plan.steps import Leased, NarrowableCall, Source
from shellvault.profiles.policy_files import policy_files
from shellvault.protocol import CONTAINER_FORM, Message
from shellvault.rotation import guarded
from shellvault.sessions import clients, passphrase
from shellvault.sessions.about import about
from shellvault.sessions.cache import DirectCache, is_anyones
from shellvault.sessions.calls import call_sts
from shellvault.sessions.confirmation import Policy, policy, stricter
from shellvault.sessions.context import Context
from shellvault.sessions.environment import change_for
from shellvault.sessions.for_request import (
    Acquired,
    acquire_for_request,
    check_caller,
    environment_of,
    min_remaining,
    parsed,
    plan_for_request,
)
from shellvault.sessions.marking import marked
from shellvault.sessions.model import Session
from shellvault.sessions.permission import wants
from shellvault.sessions.unlocking import unlock_ttl
from shellvault.shells import SHELLS, forms, render
from shellvault.signin import signed_in
from shellvault.vault import Vault, open_vault, opening
from shellvault.vault.backends import DISPLAYS, choose, file_path, session_backend
from shellvault.worker.channel import Desk

_step_locks: dict[str, threading.Lock] = {}
_step_holders: dict[str, int] = {}
"""The jobs that hold these locks."""


#: What a session of stored keys and roles imports, before any thread starts (see `threads`).
_USUAL = (
    "botocore.client",
    "botocore.session",
    "encodings.idna",
    "jinja2",
    "shellvault.sessions.reply_limit",
    "shellvault.shells.export",
)

#: What other jobs import in addition, except Vault's library.
_OTHER = (
    "boto3.session",
    "botocore.credentials",
    "shellvault.rotation.operation",
    "shellvault.sessions.secrets_engine",
    "shellvault.sessions.sources",
    "shellvault.signin.actions",
    "shellvault.signin.sessions",
    "shellvault.worker.leases",
)

#: The settings of profiles that need those.
_KEYS_OF_OTHERS = ("credential_source", "login_session", "shellvault_vault", "sso_")


def load_modules() -> None:
    """Imports what usual jobs need."""
    threads.load(*_USUAL, *opening.modules(os.environ))


def modules_of(job: Message) -> tuple[str, ...]:
    """What a job imports in addition to what every worker has, before its thread starts."""
    is_usual = (
        "request" in job and job["forms"][0] not in guard.SIGN_INS and not _may_need_others(job["request"])
    )
    return () if is_usual else _OTHER


def _may_need_others(line: str) -> bool:
    """Whether a session may need more than stored keys and roles. Any profile's setting counts for all profiles, which
    is quick to find out."""
    try:
        config = request.decode(line)[1]["config"]
    except (ValueError, KeyError):
        return True
    return any(key in text for text in (line, text_of(config)) for key in _KEYS_OF_OTHERS)


def warm_up_steps() -> list[Callable[[], object]]:
    """What would slow down the first job of a kind."""
    return [clients.warm_up, *(partial(render.warm_up, shell) for shell in SHELLS)]


def perform(job: Message, desk: Desk) -> Message:
    """Does one job of the agent and returns its `result` (docs/protocol.md). Raises any ShellvaultError."""
    with waiting.heard_by(desk.waits_for):
        return _done(job, desk)


def _done(job: Message, desk: Desk) -> Message:
    if "vault" in job:
        return _operated(job, desk)
    if "revoke" in job:
        from shellvault.worker import leases

        return leases.revoke(job, desk)
    if job["forms"][0] in guard.SIGN_INS:
        return _acted(job, desk)
    return _obtained(job, desk)


def _operated(job: Message, desk: Desk) -> Message:
    environment = {**os.environ, **job["environment"]}
    vault, keeping = _open_vault(job["backend"], environment, desk)
    context = Context(
        locations.state_directory(environment),
        environment,
        job["directory"],
        desk.run_helper,
        mfa_token=job["vault"].get("mfa_token"),
    )
    result = guarded.perform(job["vault"], vault, desk, context, keeping.confirm)
    _keep_unlocked(vault, environment, desk, keeping)
    return result


def _acted(job: Message, desk: Desk) -> Message:
    """Acts on a sign-in itself; the answer is for the requesting command alone."""
    from shellvault.signin import actions

    line, (form,) = job["request"], job["forms"]
    name, fields = request.decode(line)
    environment = _environment(job, fields)
    vault, keeping = _open_vault(fields.get("backend"), environment, desk)
    lock = _cache(job, environment, vault, desk, is_shared=True).lock
    text = actions.perform(form, line, vault, lock, desk, _context(job, environment, desk))
    _keep_unlocked(vault, environment, desk, keeping)
    times = {"issued_at": 0, "expires_at": 0, "usable_until": 0}
    marks = {"keep": False, "uses_environment": False, "needs_person": True}
    return {"profile": name, "texts": {form: text}, "files": {}, **times, **marks}


def _obtained(job: Message, desk: Desk) -> Message:
    line = job["request"]
    asked = parsed(line)
    fields = asked.fields
    environment = _environment(job, fields)
    # Stamped before reading: a change in between makes the result outdated, not wrongly current.
    own = str(locations.config_file(environment))
    files = {path: stamp(path) for path in (fields["config"], str(locations.names_file(environment)), own)}
    _say_settings(environment, desk)
    check_caller(asked, environment)
    vault, keeping = _open_vault(fields.get("backend"), environment, desk)
    planned = plan_for_request(asked, vault.stored_keys(), environment, job["directory"])
    if policies := policy_files(planned[0]):
        files |= {path: stamp(path) for path in policies}
        # Read again, now that they are stamped.
        planned = plan_for_request(asked, vault.stored_keys(), environment, job["directory"])
    steps = planned[1].steps
    if any(isinstance(step, Source) and step.source == "Environment" for step in steps):
        raise NotForAgentError(
            "the keys of credential_source = Environment stay in the command's own process"
        )
    # Output of a program in another container is for the commands there.
    is_shared = job["is_local"] or not any(step.is_by_program for step in steps)
    # What the agent revokes must not be found in the vault afterwards.
    may_lie_there = is_anyones(planned[1]) and not any(isinstance(step, Leased) for step in steps)
    cache = _cache(job, environment, vault, desk, is_shared=is_shared, is_anyones=may_lie_there)
    try:
        acquired = acquire_for_request(
            asked, planned, vault, cache, desk, _context(job, environment, desk), keeping.confirm
        )
    except SessionError as error:
        if any(isinstance(step, Source) for step in steps):
            # A container's authorization token is not sent to the agent.
            raise NotForAgentError(str(error)) from error
        raise
    _keep_unlocked(vault, environment, desk, keeping)
    session = _assumed(job["role_arn"], acquired, environment, desk) if job["role_arn"] else acquired.session
    remaining = min_remaining(fields)
    on = _leases(acquired, cache, environment, is_local=job["is_local"])
    is_leased = any(note["revocable"] for note in on)
    return {
        "profile": acquired.profile.name,
        "texts": {form: _text(form, acquired, session, line, is_leased=is_leased) for form in job["forms"]},
        "files": files,
        "issued_at": session.issued_at,
        "expires_at": session.expires_at,
        "usable_until": (session.expires_at or 0) - remaining,
        # The agent must not hold long-term keys.
        "keep": session.expires_at is not None and is_shared,
        "uses_environment": any(step.uses_environment for step in steps),
        "needs_person": any(step.needs_person for step in acquired.plan.steps),
        "leases": on,
        "about": about(acquired.plan, session) | ({"role": job["role_arn"]} if job["role_arn"] else {}),
        "wants": wants(acquired.profile, fields, environment),
    }


def _environment(job: Message, fields: Mapping[str, str]) -> dict[str, str]:
    """The command's own environment, as far as the request holds it or the command sent it."""
    environment = environment_of(fields, {**os.environ, **(job["environment"] or {})})
    if job["quiet"]:
        # A job without a person at the keyboard must not make a keyring show a dialog.
        for name in (*DISPLAYS, callers_terminal.VARIABLE):
            environment.pop(name, None)
    return environment


class Keeping(NamedTuple):
    """What a person has to confirm of a vault, and how its encrypted file stays unlocked."""

    confirm: Policy
    file_confirm: Policy
    """What a person has to confirm of the file, where it holds keys."""
    seconds: int


def _say_settings(environment: Mapping[str, str], desk: Desk) -> None:
    """Sends the agent the settings it needs, since it does not read them itself."""
    own = settings.load(environment)
    desk.channel.settings(
        {
            "home": environment.get("HOME", ""),
            "config_home": environment.get("XDG_CONFIG_HOME", ""),
            "lock_on": list(own.lock_on),
            "coding_agents": list(own.coding_agents),
            "history": own.history,
            "dialogs": own.dialogs,
        }
    )


def _open_vault(backend: str | None, environment: Mapping[str, str], desk: Desk) -> tuple[Vault, Keeping]:
    """The vault, and how it stays unlocked.

    The request that unlocked it decides this until it is locked again; a later request can only be stricter.
    """
    _say_settings(environment, desk)
    holds_keys = choose(backend, environment).backend
    has_file = "file" in (holds_keys, session_backend(environment))
    kept = desk.channel.unlock_key(str(file_path(environment))) if has_file else None
    of_file = policy(environment, "file")
    of_file = stricter(of_file, kept["confirm"]) if kept else of_file
    # A rule for the file does not apply to another vault.
    required = of_file if holds_keys == "file" else policy(environment, holds_keys)
    key = bytes.fromhex(kept["key"]) if kept and of_file != "always" else None
    keeping = Keeping(required, of_file, unlock_ttl(environment))
    return open_vault(backend, environment, passphrase.asker(desk), unlock_key=key, tell=desk.tell), keeping


def _keep_unlocked(vault: Vault, environment: Mapping[str, str], desk: Desk, keeping: Keeping) -> None:
    if vault.unlock_key is not None and keeping.file_confirm != "always":
        path = str(file_path(environment))
        desk.channel.keep_unlock_key(path, vault.unlock_key, keeping.seconds, keeping.file_confirm)


def _context(job: Message, environment: Mapping[str, str], desk: Desk) -> Context:
    return Context(
        state_directory=locations.state_directory(environment),
        environment=environment,
        directory=job["directory"],
        run_helper=None if job["runs_helpers"] else desk.run_helper,
        mfa_token=job["mfa_token"],
        fresh=job["fresh"],
        waits_for=desk.waits_for,
        is_local=job["is_local"],
        quiet=job["quiet"],
        signed_in=signed_in,
    )


def _cache(
    job: Message,
    environment: Mapping[str, str],
    vault: Vault,
    desk: Desk,
    *,
    is_shared: bool,
    is_anyones: bool = False,
) -> "AgentCache":
    direct = DirectCache(
        vault,
        locations.state_directory(environment),
        desk,
        desk.waits_behind_process,
        keeps_roles=vault.keeps_role_sessions and is_anyones,
    )
    return AgentCache(desk, direct, renew=job["renew"], is_shared=is_shared)


def _assumed(role_arn: str, base: Acquired, environment: Mapping[str, str], desk: Desk) -> Session:
    """The session of a role that a container asks for, assumed from the profile's own."""
    last = base.plan.steps[-1]
    # Allows no more than the session it is assumed from.
    step = assumed_role(base.profile, role_arn)
    if isinstance(last, NarrowableCall):
        step = replace(step, policy=last.policy, policy_arns=last.policy_arns)
    now, state = time.time(), locations.state_directory(environment)
    return marked(step, lambda step: call_sts(step, base.session, now), state, now, desk.tell)


def _leases(
    acquired: Acquired, cache: "AgentCache", environment: Mapping[str, str], *, is_local: bool
) -> list[Message]:
    """What the agent notes about the leases of a session."""
    held = [(step, cache.held(step)) for step in acquired.plan.steps if isinstance(step, Leased)]
    if not held:
        return []
    from shellvault.worker.leases import note

    return [
        note(step, session, session.lease, environment, is_local=is_local)
        for step, session in held
        if session and session.lease
    ]


def _text(form: str, acquired: Acquired, session: Session, line: str, *, is_leased: bool) -> str:
    profile, narrowed = acquired.profile, acquired.plan.narrowing.label
    change = change_for(profile, session, marks.base(line), time.time(), narrowed, is_leased=is_leased)
    return _container(session) if form == CONTAINER_FORM else forms.text(form, change, profile.name)


def _container(session: Session) -> str:
    """What the SDKs expect of a container endpoint (AWS SDKs and Tools Reference Guide)."""
    if session.expires_at is None:
        raise UsageError("long-term keys are not handed to containers: leave out --no-session")
    return json.dumps(
        {
            "AccessKeyId": session.access_key_id,
            "SecretAccessKey": session.secret_access_key,
            # Keys of a user made by Vault have none, and some SDKs accept only text here.
            "Token": session.session_token or "",
            "Expiration": datetime.fromtimestamp(session.expires_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            **({"AccountId": session.account_id} if session.account_id else {}),
        }
    )


@contextmanager
def _step_lock(fingerprint: str, desk: Desk) -> Iterator[None]:
    """Lets one job at a time do a step. A waiting job reports the other job, which may be asking a person."""
    lock = _step_locks.setdefault(fingerprint, threading.Lock())
    if not lock.acquire(blocking=False):
        desk.waits_behind(_step_holders.get(fingerprint, 0))
        lock.acquire()
        desk.waits_behind(0)
    _step_holders[fingerprint] = desk.job
    try:
        yield
    finally:
        lock.release()


class AgentCache:
    """The worker's session cache: the agent's memory first, then the vault for what it keeps."""

    def __init__(self, desk: Desk, direct: DirectCache, *, renew: bool, is_shared: bool) -> None:
        """`is_shared`: stored sessions may be used by other jobs."""
        self._desk = desk
        self._channel = desk.channel
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
        with _step_lock(step.fingerprint, self._desk), self._direct.lock(step):
            yield

    def _is_due(self, session: Session) -> bool:
        if session.expires_at is None:
            return False
        lead = renewal.lead(session.issued_at, session.expires_at)
        return session.remaining(time.time()) <= lead * renewal.REACH


def _end(session: Session | None) -> int:
    return session.expires_at or 0 if session else -1
