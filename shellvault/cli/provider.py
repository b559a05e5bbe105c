"""The source of sessions for the commands: the agent, or without one this process."""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from shellvault import guard, here, history, locations, marks, myself, settings, waiting
from shellvault.callers import PERSON, fields_of
from shellvault.cli import session_state, shown_once
from shellvault.cli.host import Host
from shellvault.cli.options import SessionRequest
from shellvault.cli.other_config import tell_programs
from shellvault.cli.suggest import suggesting
from shellvault.dialogue import output, progress, prompters
from shellvault.display import printable
from shellvault.errors import (
    AgentError,
    MoreWantedError,
    NeedsPersonError,
    NotAllowedError,
    NotForAgentError,
    ShellvaultError,
    UsageError,
    VaultError,
)
from shellvault.fastlane import request
from shellvault.protocol import Message, ended_by
from shellvault.sessions.model import Prompter
from shellvault.sessions.recursion import check_recursion

if TYPE_CHECKING:
    from shellvault.plan import Plan
    from shellvault.vault import Vault


#: Runs an operation on the vault (shellvault.vault.operations).
Operate = Callable[[Message], Message]


def answer(wanted: SessionRequest, form: str) -> str:
    """The requested session, as the text of `form` (see shells.forms)."""
    first = "the agent" if wanted.agent else "the vault"
    with suggesting(wanted), progress.waiting(first), waiting.heard_by(progress.waits_for):
        return _answer(wanted, form)


def _answer(wanted: SessionRequest, form: str) -> str:
    tell_programs(wanted)
    tell_unknown_settings(wanted.environment)
    if form in guard.SIGN_INS:
        myself.check(form, wanted.environment)
    if wanted.mfa_token and myself.is_coding_agent(wanted.environment):
        raise NotAllowedError(guard.FOR_A_PERSON)
    prompter = prompters.choose(wanted.prompt, wanted.environment)
    if wanted.debug and wanted.agent:
        _show_plan(wanted, explain(wanted)[:2], prompter)
    if "no-session" not in wanted.options:
        # Here and not only in `acquire`: the agent would have us wait for the very session that waits for us.
        check_recursion(wanted.profile, wanted.environment)
    if wanted.agent:
        from shellvault.client import agent as client

        try:
            if client.has_place(wanted.environment):
                return _by_agent(wanted, form, prompter)
        except NotForAgentError:
            pass
        except AgentError as error:
            output.note(f"{error}; going on without the agent")
    return _answer_directly(wanted, form, prompter)


def _by_agent(wanted: SessionRequest, form: str, prompter: Prompter) -> str:
    from shellvault.client import agent as client

    def obtained(wanted: SessionRequest) -> str:
        return client.obtain(
            wanted.line,
            form,
            prompter,
            wanted.environment,
            mfa_token=wanted.mfa_token,
            fresh=wanted.fresh,
            reason=wanted.reason,
            yes=wanted.is_confirmed,
            waits_for=progress.waits_for,
        )

    try:
        return obtained(wanted)
    except MoreWantedError:
        return obtained(confirmed(wanted))


def confirmed(wanted: SessionRequest) -> SessionRequest:
    """The session request with what its profile wants besides the request (request.SAID): a reason, a person's yes.

    Raises UsageError without a reason, NotAllowedError without a yes, NeedsPersonError where it cannot be asked for.
    """
    from shellvault.sessions.for_request import parsed, profile_for_request
    from shellvault.sessions.permission import described, rule_for

    profile = profile_for_request(parsed(wanted.line))
    if profile.wants_reason and not wanted.reason:
        raise UsageError(f"{printable(wanted.profile)} wants a reason: add --reason TEXT")
    if (
        rule_for(profile, PERSON, wanted.environment) != "ask"
        or not myself.actor(wanted.environment).is_person
    ):
        return wanted
    from shellvault.dialogue import terminal

    if not terminal.confirm(f"Use {described(profile)}?"):
        raise NotAllowedError(f"{printable(wanted.profile)} was not allowed")
    return replace(wanted, is_confirmed=True)


def _answer_directly(wanted: SessionRequest, form: str, prompter: Prompter) -> str:
    """The same without an agent, recorded as the agent does."""
    from shellvault.service import requests

    actor = myself.actor(wanted.environment)
    line = marks.marked(wanted.line, fields_of(actor, wanted.reason))
    host = Host(wanted.environment, prompter, mfa_token=wanted.mfa_token, fresh=wanted.fresh)
    if form in guard.SIGN_INS:
        return requests.sign_in(form, line, host)
    if wanted.debug and not wanted.agent:
        host.show_plan = partial(_show_plan_from, wanted, prompter)

    def record(answer: history.Answer, about: Mapping[str, str], until: float | None, why: str = "") -> None:
        if settings.load(wanted.environment).history:
            folder = history.folder_of(os.getpid())
            entry = history.entry(
                actor, folder, form, wanted.profile, answer, about, until=until, reason=wanted.reason, why=why
            )
            # Failing to record it does not stop it.
            with suppress(OSError):
                history.append(locations.state_directory(wanted.environment), [entry])

    try:
        confirmed(wanted)
        started = int(time.time())
        obtained = requests.session(line, host)
    except NotAllowedError as error:
        record("refused", {}, None, str(error))
        raise
    session = obtained.session
    if session.lease and session.lease.revocable and session.issued_at >= started:
        prompter.tell(
            "these keys of Vault's are not revoked without the agent: they are good until their lease ends"
        )
    text = obtained.text(form)
    record("given", obtained.about, session.expires_at)
    return text


def listed(
    operate: Operate, environment: Mapping[str, str]
) -> tuple[Message, VaultError | NeedsPersonError | None]:
    """What the vault lists (operation `list`), and None.

    If it is locked, silent or missing: what is known without it, the names of stored keys, and the error.
    """
    try:
        return operate({"do": "list"}), None
    except (VaultError, NeedsPersonError) as error:
        names = dict.fromkeys(here.stored_names(environment), "")
        return {"keys": names, "sessions": [], "sign_ins": {}}, error


def plan(wanted: SessionRequest) -> "Plan":
    """The plan for a session request, without a call to AWS."""
    return explain(wanted)[0]


class Explained(NamedTuple):
    """A plan, what of it is there already, the labels of sign-ins, and why that is not all."""

    plan: "Plan"
    held: session_state.Held | None
    sign_ins: Mapping[str, Mapping[str, Any]]
    problem: ShellvaultError | None


def explain(wanted: SessionRequest) -> Explained:
    """How a session is made, without a call to AWS."""
    from shellvault.sessions.for_request import parsed, plan_for_request

    prompter = prompters.choose(wanted.prompt, wanted.environment)
    operate = vault_operations(
        wanted.options.get("backend"), wanted.environment, prompter, agent=wanted.agent
    )
    with suggesting(wanted):
        there, problem = listed(operate, wanted.environment)
        found = plan_for_request(parsed(wanted.line), there["keys"], wanted.environment, permits=False)[1]
    held = _held_by_agent(wanted, found) if problem else _held(wanted, found, there["sessions"])
    return Explained(found, held, there["sign_ins"], problem)


def _held_by_agent(wanted: SessionRequest, found: "Plan") -> session_state.Held | None:
    """The agent's session of the profile: only the vault knows which keys it is made from."""
    agent = session_state.agent_status(wanted.environment) if wanted.agent else {}
    ends = [its["expires_at"] for its in agent.get("sessions", ()) if its["profile"] == found.profile]
    return session_state.Held(len(found.steps), "agent", max(ends), (), 0) if ends else None


def _held(wanted: SessionRequest, found: "Plan", in_vault: Iterable[Message]) -> session_state.Held | None:
    from shellvault.sessions.for_request import min_remaining

    agent = session_state.agent_status(wanted.environment) if wanted.agent else {}
    return session_state.held(found, in_vault, agent, min_remaining(request.decode(wanted.line)[1]))


def _show_plan(
    wanted: SessionRequest, explained: tuple["Plan", session_state.Held | None], prompter: Prompter
) -> None:
    from shellvault.plan import describe

    found, held = explained
    for line in (
        *describe(found, session_state.places(wanted.environment)).splitlines(),
        session_state.describe(found, held),
    ):
        prompter.tell(line)


def _show_plan_from(wanted: SessionRequest, prompter: Prompter, found: "Plan", vault: "Vault") -> None:
    """Shows the plan with a vault that is open: opening it again would ask for its passphrase again."""
    from shellvault.vault import operations

    labels = operations.perform({"do": "list"}, vault)["sessions"]
    _show_plan(wanted, (found, _held(wanted, found, labels)), prompter)


def vault_operations(
    backend: str | None,
    environment: Mapping[str, str],
    prompter: Prompter | None = None,
    *,
    agent: bool | None = None,
) -> Operate:
    """Runs operations on the vault that is named or configured.

    For an encrypted file the agent's worker runs them, so that a person types its passphrase once. Without an agent, if
    `agent` is False (default: as the environment says), and for a keyring, this process does. `prompter` (default: as
    the environment says) asks for a passphrase, at most once for all of these operations.
    """
    from shellvault.client import agent as client
    from shellvault.vault.backends import choose, session_backend

    tell_unknown_settings(environment)
    asked = prompters.Once(prompter or prompters.choose(None, environment))
    by_agent = (
        (here.agent_allowed(environment) if agent is None else agent)
        and "file" in (choose(backend, environment).backend, session_backend(environment))
        and client.has_place(environment)
    )
    host: Host | None = None

    def operate(operation: Message) -> Message:
        with progress.waiting("the vault"), asked.once(), waiting.heard_by(progress.waits_for):
            return perform(operation)

    def perform(operation: Message) -> Message:
        nonlocal host
        myself.check(operation["do"], environment)
        if by_agent and not host:
            try:
                return client.operate(operation, backend, asked, environment, progress.waits_for)
            except NotForAgentError:
                pass
            except AgentError as error:
                output.note(f"{error}; going on without the agent")
        from shellvault.service import requests

        host = host or Host(environment, asked)
        result = requests.operate(operation, backend, host)
        if guard.VAULT_OPERATIONS[operation["do"]].changes_keys:
            forget(environment, ended_by(operation))
        return result

    return operate


def tell_unknown_settings(environment: Mapping[str, str]) -> None:
    """Warns once of unknown keys in the settings. Raises ConfigError."""
    own = settings.load(environment)
    if own.unknown and shown_once.is_new("settings-shown", own.path, environment):
        for remark in own.remarks:
            output.note(remark)


def forget(environment: Mapping[str, str], profiles: list[str] | None) -> None:
    """Has the agent, if there is one, forget its sessions; it fetches again those still in use."""
    from shellvault.client import agent as client

    try:
        client.forget(environment, profiles)
    except AgentError as error:
        output.note(str(error))


def agent_sessions(environment: Mapping[str, str]) -> list[tuple[str, int]]:
    """Profiles and expiries (epoch seconds) of the sessions that the agent holds; none without an agent."""
    held = session_state.agent_status(environment).get("sessions", ())
    return [(session["profile"], session["expires_at"]) for session in held]
