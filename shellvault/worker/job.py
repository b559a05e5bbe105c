"""One job of the worker: from the agent's message to its result. Only the worker imports this."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from shellvault import callers_terminal, guard, locations, settings, waiting
from shellvault.errors import NotForAgentError, SessionError
from shellvault.hashicorp import leased
from shellvault.plan import Plan
from shellvault.plan.steps import Leased, Source
from shellvault.protocol import Message
from shellvault.service import requests
from shellvault.sessions import passphrase
from shellvault.sessions.cache import DirectCache, is_shareable
from shellvault.sessions.confirmation import Policy, policy, stricter
from shellvault.sessions.context import Context
from shellvault.sessions.for_request import environment_of, min_remaining, parsed
from shellvault.sessions.permission import wants
from shellvault.sessions.unlocking import unlock_ttl
from shellvault.signin import signed_in
from shellvault.vault import Vault, open_vault
from shellvault.vault.backends import DISPLAYS, choose, file_path, session_backend
from shellvault.worker.cache import AgentCache
from shellvault.worker.channel import JobPrompter


def perform(job: Message, prompter: JobPrompter) -> Message:
    """Does one job of the agent and returns its `result` (docs/protocol.md). Raises any ShellvaultError."""
    with waiting.heard_by(prompter.waits_for):
        return _done(job, prompter)


def _done(job: Message, prompter: JobPrompter) -> Message:
    if "vault" in job:
        return _operated(job, prompter)
    if "revoke" in job:
        from shellvault.worker import leases

        return leases.revoke(job, prompter)
    if job["forms"][0] in guard.SIGN_INS:
        return _signed_in(job, prompter)
    return _obtained(job, prompter)


def _operated(job: Message, prompter: JobPrompter) -> Message:
    environment = {**os.environ, **job["environment"]}
    state = locations.state_directory(environment)
    context = Context(state, environment, job["directory"], prompter.run_helper)
    return requests.operate(job["vault"], job["backend"], _Host(job, prompter, context))


def _signed_in(job: Message, prompter: JobPrompter) -> Message:
    """Works on a sign-in itself; the answer is for the requesting command alone."""
    line, (form,) = job["request"], job["forms"]
    text = requests.sign_in(form, line, _Host(job, prompter, _context(job, prompter)))
    times = {"issued_at": 0, "expires_at": 0, "usable_until": 0}
    marks = {"keep": False, "uses_environment": False, "needs_person": True}
    return {"profile": parsed(line).profile, "texts": {form: text}, "files": {}, **times, **marks}


def _obtained(job: Message, prompter: JobPrompter) -> Message:
    host = _Host(job, prompter, _context(job, prompter))
    environment = host.context.environment
    _send_settings(environment, prompter)
    try:
        got = requests.session(job["request"], host, job["role_arn"])
    except SessionError as error:
        if host.is_from_source:
            # A container's authorization token is not sent to the agent.
            raise NotForAgentError(str(error)) from error
        raise
    session, steps, fields = got.session, got.plan.steps, parsed(job["request"]).fields
    leases = _leases(got, environment, is_local=job["is_local"])
    is_leased = any(note["revocable"] for note in leases)
    return {
        "profile": got.profile.name,
        "texts": {form: got.text(form, is_leased=is_leased) for form in job["forms"]},
        "files": got.files,
        "issued_at": session.issued_at,
        "expires_at": session.expires_at,
        "usable_until": (session.expires_at or 0) - min_remaining(fields),
        # The agent must not hold long-term keys.
        "keep": session.expires_at is not None and host.is_shared(got.plan),
        "uses_environment": any(step.uses_environment for step in steps),
        "needs_person": any(step.needs_person for step in steps),
        "needs_you_at": got.needs_you_at,
        "leases": leases,
        "about": got.about,
        "wants": wants(got.profile, fields, environment),
    }


def _context(job: Message, prompter: JobPrompter) -> Context:
    """Its environment is the command's own, as far as the request holds it or the command sent it."""
    fields = parsed(job["request"]).fields
    environment = environment_of(fields, {**os.environ, **(job["environment"] or {})})
    if job["quiet"]:
        # A job without a person at the keyboard must not make a keyring show a dialog.
        for name in (*DISPLAYS, callers_terminal.VARIABLE):
            environment.pop(name, None)
    return Context(
        state_directory=locations.state_directory(environment),
        environment=environment,
        directory=job["directory"],
        run_helper=None if job["runs_helpers"] else prompter.run_helper,
        mfa_token=job["mfa_token"],
        fresh=job["fresh"],
        waits_for=prompter.waits_for,
        is_local=job["is_local"],
        quiet=job["quiet"],
        signed_in=signed_in,
        leased=leased,
    )


class _Host:
    """Handles a request for the agent (requests.Host)."""

    def __init__(self, job: Message, prompter: JobPrompter, context: Context) -> None:
        self.prompter = prompter
        self.context = context
        self.is_from_source = False
        """Whether the planned session begins with what surrounds the command (`credential_source`)."""
        self._job = job

    @contextmanager
    def vault(self, backend: str | None, operation: str) -> Iterator[tuple[Vault, Policy]]:
        """See requests.Host. The vault stays unlocked afterwards.

        The request that unlocked it decides for how long, until it is locked again; a later request can only be
        stricter.
        """
        prompter, environment = self.prompter, self.context.environment
        _send_settings(environment, prompter)
        holds_keys, file = choose(backend, environment).backend, str(file_path(environment))
        has_file = "file" in (holds_keys, session_backend(environment))
        kept = prompter.channel.unlock_key(file) if has_file else None
        of_file = policy(environment, "file")
        of_file = stricter(of_file, kept["confirm"]) if kept else of_file
        # A rule for the file does not apply to another vault.
        required = of_file if holds_keys == "file" else policy(environment, holds_keys)
        key = bytes.fromhex(kept["key"]) if kept and of_file != "always" else None
        seconds = unlock_ttl(environment)
        vault = open_vault(
            backend, environment, passphrase.asker(prompter), unlock_key=key, tell=prompter.tell
        )
        yield vault, required
        if vault.unlock_key is not None and of_file != "always":
            prompter.channel.keep_unlock_key(file, vault.unlock_key, seconds, of_file)

    def cache(self, vault: Vault, plan: Plan | None) -> AgentCache:
        """See requests.Host."""
        # What the agent revokes must not be found in the vault afterwards.
        is_anyone = plan and is_shareable(plan) and not any(isinstance(step, Leased) for step in plan.steps)
        direct = DirectCache(
            vault,
            self.context.state_directory,
            self.prompter,
            self.prompter.waits_behind_process,
            keeps_roles=bool(vault.keeps_role_sessions and is_anyone),
        )
        return AgentCache(
            self.prompter, direct, renew=self._job["renew"], is_shared=plan is None or self.is_shared(plan)
        )

    def planned(self, plan: Plan, vault: Vault) -> None:
        """See requests.Host."""
        sources = [step.source for step in plan.steps if isinstance(step, Source)]
        if "Environment" in sources:
            raise NotForAgentError(
                "the keys of credential_source = Environment stay in the command's own process"
            )
        self.is_from_source = bool(sources)

    def is_shared(self, plan: Plan) -> bool:
        """Whether other jobs may use the session: a program's output in a container is for the commands there."""
        return self.context.is_local or not any(step.is_by_program for step in plan.steps)


def _send_settings(environment: Mapping[str, str], prompter: JobPrompter) -> None:
    """Sends the agent the settings it needs, since it does not read them itself."""
    own = settings.load(environment)
    prompter.channel.settings(
        {
            "home": environment.get("HOME", ""),
            "config_home": environment.get("XDG_CONFIG_HOME", ""),
            "lock_on": list(own.lock_on),
            "coding_agents": list(own.coding_agents),
            "history": own.history,
            "dialogs": own.dialogs,
            "notice": own.notice,
        }
    )


def _leases(got: requests.Obtained, environment: Mapping[str, str], *, is_local: bool) -> list[Message]:
    """What the agent notes about the leases of a session."""
    held = [(step, got.cache.held(step)) for step in got.plan.steps if isinstance(step, Leased)]
    if not held:
        return []
    from shellvault.worker.leases import note

    return [
        note(step, session, session.lease, environment, is_local=is_local)
        for step, session in held
        if session and session.lease
    ]
