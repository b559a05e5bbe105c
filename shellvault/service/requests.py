"""Handles one request: for a session, on a sign-in, or on the vault.

The agent's worker calls this, and so does a command without the agent, each as a `Host`.
"""

import json
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from shellvault import locations, marks
from shellvault.errors import UsageError
from shellvault.files import Stamp, stamp
from shellvault.plan import Plan, assumed_role
from shellvault.plan.steps import NarrowableCall
from shellvault.profiles.model import Profile
from shellvault.profiles.policy_files import policy_files
from shellvault.protocol import CONTAINER_FORM, Message
from shellvault.rotation import guarded
from shellvault.sessions.about import about
from shellvault.sessions.attendance import needs_person_at
from shellvault.sessions.cache import SessionCache
from shellvault.sessions.calls import call_sts
from shellvault.sessions.confirmation import Policy
from shellvault.sessions.context import Context
from shellvault.sessions.environment import change_for
from shellvault.sessions.for_request import (
    Acquired,
    acquire_for_request,
    check_caller,
    parsed,
    plan_for_request,
)
from shellvault.sessions.marking import marked
from shellvault.sessions.model import Prompter, Session
from shellvault.shells import forms

if TYPE_CHECKING:
    from shellvault.vault import Vault


class Host(Protocol):
    """The process that handles a request: the agent's worker, or a command without the agent."""

    @property
    def prompter(self) -> Prompter:
        """Asks the person behind the request."""

    @property
    def context(self) -> Context:
        """Around the request; its environment is the requesting command's own."""

    def vault(self, backend: str | None, operation: str) -> AbstractContextManager[tuple["Vault", Policy]]:
        """The vault for an `operation` (guard), and what a person has to confirm of it.

        Raises NotAllowedError for a vault that this process may not use, and the errors of opening it.
        """

    def cache(self, vault: "Vault", plan: Plan | None) -> SessionCache:
        """The session cache for a plan; None: only its locks are used."""

    def planned(self, plan: Plan, vault: "Vault") -> None:
        """Is called before the session is made. Raises ShellvaultError for one that this process must not make."""


@dataclass(frozen=True, slots=True)
class Obtained:
    """A session, and what it was made from."""

    line: str
    profile: Profile
    plan: Plan
    session: Session
    cache: SessionCache
    about: Mapping[str, str]
    """The session's public facts (sessions.about)."""
    files: Mapping[str, Stamp]
    """The files that decided the plan, with their stamps from before they were read."""
    needs_you_at: int | None = None
    """When what it was made with ends, which takes a person (sessions.attendance)."""

    def text(self, form: str, *, is_leased: bool = False) -> str:
        """The session in one of shells.forms, or as a container's reply. `is_leased`: leaving it revokes a lease."""
        if form == CONTAINER_FORM:
            return _container_reply(self.session)
        line, narrowed = marks.base(self.line), self.plan.narrowing.label
        change = change_for(
            self.profile,
            self.session,
            line,
            time.time(),
            narrowed,
            is_leased=is_leased,
            needs_you_at=self.needs_you_at,
        )
        return forms.text(form, change, self.profile.name)


def session(line: str, host: Host, role_arn: str | None = None) -> Obtained:
    """The session of a request line, or of a role assumed from it. Raises any ShellvaultError."""
    asked, context = parsed(line), host.context
    environment = context.environment
    # Stamped before reading: a change in between makes the result outdated, not wrongly current.
    own = locations.config_file(environment), locations.names_file(environment)
    files = {path: stamp(path) for path in (asked.fields["config"], *map(str, own))}
    check_caller(asked, environment)
    with host.vault(asked.fields.get("backend"), "session") as (vault, required):
        planned = plan_for_request(asked, vault.stored_keys(), environment, context.directory)
        if policies := policy_files(planned[0]):
            files |= {path: stamp(path) for path in policies}
            # Read again, now that they are stamped.
            planned = plan_for_request(asked, vault.stored_keys(), environment, context.directory)
        host.planned(planned[1], vault)
        cache = host.cache(vault, planned[1])
        found = acquire_for_request(asked, planned, vault, cache, host.prompter, context, required)
        needs_you_at = needs_person_at(found.plan, found.session, cache, vault)
    own_session = _assumed(role_arn, found, host) if role_arn else found.session
    facts = about(found.plan, own_session) | ({"role": role_arn} if role_arn else {})
    return Obtained(line, found.profile, found.plan, own_session, cache, facts, files, needs_you_at)


def sign_in(form: str, line: str, host: Host) -> str:
    """Does one of `guard.SIGN_INS` for a request line; the answer is JSON. Raises any ShellvaultError."""
    from shellvault.signin import actions

    asked = parsed(line)
    check_caller(asked, host.context.environment)
    with host.vault(asked.fields.get("backend"), form) as (vault, _):
        lock = host.cache(vault, None).lock
        return actions.perform(form, line, vault, lock, host.prompter, host.context)


def operate(operation: Message, backend: str | None, host: Host) -> Message:
    """Does an operation on the vault (docs/protocol.md); the result holds no secret. Raises any ShellvaultError."""
    with host.vault(backend, operation["do"]) as (vault, required):
        context = replace(host.context, mfa_token=operation.get("mfa_token"))
        return guarded.perform(operation, vault, host.prompter, context, required)


def _assumed(role_arn: str, base: Acquired, host: Host) -> Session:
    """The session of a role that a container asks for, assumed from the profile's own."""
    last = base.plan.steps[-1]
    step = assumed_role(base.profile, role_arn)
    # Allows no more than the session it is assumed from.
    if isinstance(last, NarrowableCall):
        step = replace(step, policy=last.policy, policy_arns=last.policy_arns)
    now, state = time.time(), host.context.state_directory
    return marked(step, lambda step: call_sts(step, base.session, now), state, now, host.prompter.tell)


def _container_reply(session: Session) -> str:
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
