"""From a request line to a session: what the command without an agent, and the agent's worker, both call."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from shellvault import plan as plans
from shellvault.errors import UsageError
from shellvault.fastlane import request
from shellvault.plan import Plan
from shellvault.profiles.durations import parse_duration
from shellvault.profiles.model import Profile
from shellvault.profiles.parse import load
from shellvault.profiles.resolve import Overrides, resolve
from shellvault.sessions.acquire import acquire
from shellvault.sessions.cache import SessionCache
from shellvault.sessions.context import Context
from shellvault.sessions.model import Prompter, Session

if TYPE_CHECKING:
    from shellvault.vault import Vault


@dataclass(frozen=True, slots=True)
class Acquired:
    """A session, with the profile and the plan that it came from."""

    profile: Profile
    plan: Plan
    session: Session
    files: tuple[Path, ...]
    """The files that decided the plan: when one changes, the request must be worked out again."""


def acquire_for_request(
    request_line: str,
    planned: tuple[Profile, Plan],
    vault: "Vault",
    cache: SessionCache,
    prompter: Prompter,
    context: Context,
) -> Acquired:
    """The session that `request_line` asks for, as `plan_for_request` has planned it. Raises any ShellvaultError.

    The line's own min-remaining (else AWS_MIN_TTL) beats that of `context`; helper processes see the
    line's config file, home and overriding variables, whichever process this is.
    """
    _, fields = _decoded(request_line)
    profile, plan = planned
    session = acquire(plan, vault, cache, prompter, _adapted(context, fields))
    return Acquired(profile, plan, session, (Path(fields["config"]),))


def plan_for_request(request_line: str, stored: Mapping[str, str]) -> tuple[Profile, Plan]:
    """The plan that `request_line` asks for; `stored` maps names with long-term keys to their key ids."""
    return _planned(*_decoded(request_line), stored)


def _decoded(request_line: str) -> tuple[str, dict[str, str]]:
    try:
        return request.decode(request_line)
    except ValueError as error:
        raise UsageError("this is not a request for a session: run `shellvault env` again") from error


def _planned(name: str, fields: Mapping[str, str], stored: Mapping[str, str]) -> tuple[Profile, Plan]:
    duration = parse_duration(fields["duration"]) if "duration" in fields else None
    environment = {variable: fields[variable] for variable in request.OVERRIDES if variable in fields}
    overrides = Overrides(fields.get("region"), duration, environment)
    profile = resolve(load(Path(fields["config"])), name, overrides)
    return profile, plans.build(
        profile, stored, plans.Options(no_session="no-session" in fields, console="console" in fields)
    )


def _adapted(context: Context, fields: Mapping[str, str]) -> Context:
    named = {name: fields[name] for name in request.OVERRIDES if name in fields}
    named["AWS_CONFIG_FILE"] = fields["config"]
    if fields.get("home"):
        named["HOME"] = fields["home"]
    return replace(
        context,
        environment={**context.environment, **named},
        min_remaining=min_remaining(fields, context.min_remaining),
    )


def min_remaining(fields: Mapping[str, str], default: float) -> float:
    """Seconds of life that a request of these fields wants; `default` where it does not say."""
    asked = fields.get("min-remaining") or fields.get("AWS_MIN_TTL")
    return parse_duration(asked) if asked else default
