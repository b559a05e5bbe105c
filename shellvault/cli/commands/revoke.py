"""`shellvault revoke`: ends sessions that were given out, as far as possible."""

import os
import time
from collections.abc import Mapping
from typing import Any

import click

from shellvault import myself
from shellvault.attempts import attempt_all
from shellvault.cli import holders, provider, session_state, sign_ins
from shellvault.cli.commands import clear, signout
from shellvault.cli.commands.console import session_of
from shellvault.cli.options import session_request
from shellvault.client import permits
from shellvault.dialogue import output, tables, terminal
from shellvault.display import printable
from shellvault.errors import NotAllowedError, UsageError
from shellvault.shells import forms


@click.command(name="revoke")
@click.argument("name", metavar="NAME|LEASE")
@click.option("--at-aws", is_flag=True, help="Deny all older sessions of the role, at AWS too.")
@click.option("--as", "by", metavar="NAME", help="With --at-aws: the profile that may iam:PutRolePolicy.")
@click.option("-f", "--force", is_flag=True, help="With --at-aws: do not ask.")
def command(name: str, at_aws: bool, by: str | None, force: bool) -> int:
    """End the sessions of profile NAME, or the lease of this number.

    They are forgotten here, leases and sign-ins of the profile end. What was given out lives until its own end, unless
    --at-aws has the role deny all sessions from before now, in every place.
    """
    environment = dict(os.environ)
    myself.check("forget", environment)
    if name.isdigit():
        if at_aws:
            raise UsageError("--at-aws goes with the NAME of a profile")
        permits.end(environment, int(name))
        output.note(f"lease {name} has ended; a session that was given out lives until its own end")
        return 0
    held = [holder for holder in holders.everything(environment) if holder["profile"] == name]
    is_denied = at_aws and _deny_older(name, by, force=force)

    def sign_in() -> int:
        if name in sign_ins.of_config(sign_ins.config_of(environment), environment):
            return signout.sign_out(name, {"backend": None, "no_agent": False})
        return 0

    try:
        statuses: list[int] = attempt_all(
            [lambda: _end_leases(name, environment), sign_in, lambda: clear.forget(name, None)]
        )
    finally:
        for line in _living(held, is_denied=is_denied):
            output.note(line)
    return max(statuses)


def _end_leases(name: str, environment: Mapping[str, str]) -> int:
    for permit in permits.permits(environment):
        if name in permit["profiles"]:
            permits.end(environment, permit["number"])
            output.note(f"lease {permit['number']} of {printable(permit['program'])} has ended")
    return 0


def _deny_older(name: str, by: str | None, *, force: bool) -> bool:
    """Has AWS deny the older sessions. Returns whether those are all sessions of the profile.

    Raises NotAllowedError without a yes, UsageError where the profile has no role to change, SessionError."""
    from shellvault.sessions import older_sessions
    from shellvault.sessions.for_request import parsed, profile_for_request

    profile = profile_for_request(parsed(session_request(name, {}).line))
    roles = older_sessions.roles(profile)
    named = " and ".join(map(printable, roles))
    if not (force or terminal.confirm(f"Deny all sessions of {named} from before now, wherever they are?")):
        raise NotAllowedError("nothing was revoked")
    signing = session_of(forms.change(provider.answer(session_request(by or name, {}), "exec")))
    for role in roles:
        older_sessions.deny(profile, role, signing)
        output.note(f"{printable(role)} denies every session from before now ({older_sessions.POLICY})")
    until = time.strftime("%H:%M", time.localtime(time.time() + older_sessions.CHAINED))
    output.note(f"sessions of other roles that were assumed with these live on, until {until} at the latest")
    rest = older_sessions.unrevoked(profile)
    if rest:
        output.note(rest)
    # A session that is asked for again must not be one that is denied.
    time.sleep(1)
    return not rest


def _living(held: list[dict[str, Any]], *, is_denied: bool) -> list[str]:
    """A line for each process that has a session which no command can take back."""
    lines = []
    for holder in held:
        end = holder.get("expires_at")
        if holder["kind"] not in ("shell", "command") or (end and end <= time.time()):
            continue
        left = f"for another {tables.time_left(end - time.time())}" if end else "until its end"
        what = "has a session that AWS now denies" if is_denied else f"has its session {left}"
        lines.append(
            f"{session_state.process(holder['process'])} in {printable(holder['folder']) or '?'} {what}"
        )
    return lines
