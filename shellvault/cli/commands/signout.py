"""`shellvault signout`: a sign-in ended, at AWS where it can be, and here."""

import json
import os
import time
from collections.abc import Collection, Mapping
from typing import Any

import click

from shellvault.cli import forgetting, provider, session_state, sign_ins
from shellvault.cli.options import backend_option, session_request
from shellvault.dialogue import output, prompters, tables
from shellvault.errors import AgentError, ShellvaultError, UsageError


@click.command(name="signout")
@click.argument("name", required=False)
@click.option("--all", "every", is_flag=True, help="End every sign-in.")
@click.option("--no-agent", is_flag=True, help="Do everything in this process.")
@backend_option
def command(name: str | None, every: bool, **given: Any) -> int:
    """End the sign-in of profile (or sso-session) NAME.

    The sessions that came from it are forgotten. A session that a shell already holds works on until it ends: the
    shells are named.
    """
    if bool(name) == every:
        raise UsageError("give a NAME or --all")
    return sign_out(name, given)


def sign_out(name: str | None, given: Mapping[str, Any]) -> int:
    """Ends the sign-in of one profile or sso-session, None: every one. `given` as the command line has it.

    Returns the exit status. Raises any ShellvaultError.
    """
    environment = dict(os.environ)
    steps = sign_ins.of_config(sign_ins.config_of(environment), environment)
    groups = sign_ins.distinct(steps)
    if name is not None:
        if name not in steps:
            raise UsageError(f"{name} does not sign in: `shellvault list` shows what does")
        groups = {steps[name].fingerprint: groups[steps[name].fingerprint]}
    profiles = sorted({profile for names in groups.values() for profile in names})
    holders = _holders(profiles, environment)
    failed = []

    def in_vault() -> None:
        for names in groups.values():
            try:
                failed.append(_end(name or names[0], given))
            except ShellvaultError as error:
                output.complain(f"{names[0]}: {error}")
                failed.append(True)

    operate = provider.vault_operations(given["backend"], environment, prompters.choose(None, environment))

    def sessions() -> None:
        kept = {label["profile"] for label in operate({"do": "list"})["sessions"]}
        for profile in kept.intersection(profiles):
            operate({"do": "clear", "name": profile})

    def all_sign_ins() -> None:
        operate({"do": "forget-sign-ins"})

    try:
        forgetting.agent_first(environment, profiles, [in_vault, sessions, *([] if name else [all_sign_ins])])
    finally:
        # What it got of a sign-in that was about to end.
        provider.forget(environment, profiles)
        for line in holders:
            output.note(line)
    return int(any(failed))


def _end(name: str, given: Mapping[str, Any]) -> bool:
    """Ends one sign-in and prints the result. Returns whether AWS could not be informed."""
    done = json.loads(provider.answer(session_request(name, given), "sign-out"))
    subject = done["subject"]
    output.note(f"signed out of {subject}" if done["was"] else f"{subject} was not signed in")
    if done["problem"]:
        output.complain(f"{subject} is forgotten here, but the sign-out at AWS failed: {done['problem']}")
    if done["cli_remains"]:
        end = "`aws logout`" if str(subject).startswith("arn:") else "`aws sso logout`"
        output.note(f"the AWS CLI is still signed in to {subject}: {end} ends that")
    return bool(done["problem"])


def _holders(profiles: Collection[str], environment: Mapping[str, str]) -> list[str]:
    """The holders of sessions of these profiles, and until when."""
    from shellvault.client import agent as client

    try:
        found = client.status(environment) or {}
    except AgentError:
        return []
    lines = []
    for session in found.get("sessions", ()):
        if session["profile"] not in profiles:
            continue
        pids = session_state.users(session)
        if session["users"] and not pids:
            continue
        users = ", ".join(map(session_state.process, pids)) or "what was started before"
        leaving = " (`shellvault leave` ends that here)" if os.getppid() in pids else ""
        left = tables.time_left(session["expires_at"] - time.time())
        lines.append(f"{users} can use the session of {session['profile']} for another {left}{leaving}")
    return lines
