"""A role's session with the marks of its caller, as far as AWS takes them.

AWS refuses SourceIdentity and tags where the role's trust policy, or a policy of what assumes it, does not allow
sts:SetSourceIdentity and sts:TagSession, where an earlier role of the chain has another SourceIdentity, and where
policies and tags together are too large (IAM User Guide, "Pass session tags", "Monitor and control actions taken").
"""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from shellvault import files
from shellvault.display import printable
from shellvault.plan.steps import AssumeRole
from shellvault.profiles.model import Marks
from shellvault.sessions.model import Session
from shellvault.sessions.refusals import RefusedError

#: The file of what roles do not take, in the state directory; and for how many seconds that is known.
FILE, REMEMBERED = "refused-marks.json", 24 * 3600

#: The parts of marks, by the permission that each needs.
IDENTITY, TAGS = "sts:SetSourceIdentity", "sts:TagSession"


def marked(
    step: AssumeRole,
    call: Callable[[AssumeRole], Session],
    state_directory: Path,
    now: float,
    tell: Callable[[str], None],
) -> Session:
    """What `call` returns for the step, with those of its marks that AWS takes. Raises the errors of `call`.

    What AWS refuses is left out, unless the marks are required; that is said once, and known for a day.
    """
    if step.marks is None:
        return call(step)
    known = set() if step.marks.is_required else _refused_before(state_directory, step, now)
    left_out = set(known)
    while True:
        marks = _without(step.marks, left_out)
        try:
            session = call(replace(step, marks=marks))
            break
        except RefusedError as error:
            refused = _refused(error, marks)
            if not refused:
                raise
            if step.marks.is_required:
                raise RefusedError(_required(step, error), error.reason) from error
            left_out |= refused
    if left_out != known:
        _remember(state_directory, step, left_out, now)
        tell(
            f"AWS does not take all marks of this caller for {printable(step.role_arn or '')}: its sessions go without "
            f"(to have them: allow {' and '.join(sorted(left_out))} in the role's trust policy)"
        )
    return session


def forget(state_directory: Path) -> None:
    """Forgets what roles did not take."""
    with suppress(OSError):
        (state_directory / FILE).unlink(missing_ok=True)


def _without(marks: Marks, parts: set[str]) -> Marks:
    return replace(
        marks,
        source_identity=None if IDENTITY in parts else marks.source_identity,
        tags=() if TAGS in parts else marks.tags,
    )


def _refused(error: RefusedError, marks: Marks) -> set[str]:
    """The parts of these marks that AWS has refused, as far as it says which; empty where it is none of them."""
    sent = {part for part, value in ((IDENTITY, marks.source_identity), (TAGS, marks.tags)) if value}
    if error.reason == "too-large":
        return sent & {TAGS}
    if error.reason != "denied":
        return set()
    named = {part for part in (IDENTITY, TAGS) if part in str(error)}
    return sent & named if named else sent


def _required(step: AssumeRole, error: RefusedError) -> str:
    return (
        f"{error}; the session of {printable(step.profile)} must show its caller: allow {IDENTITY} and {TAGS} in the "
        'role\'s trust policy, or set refused = "unmarked" in [marks] of config.toml'
    )


def _refused_before(state_directory: Path, step: AssumeRole, now: float) -> set[str]:
    at, parts = _read(state_directory).get(step.role_arn or "", (0.0, set()))
    return parts if abs(now - at) < REMEMBERED else set()


def _remember(state_directory: Path, step: AssumeRole, parts: set[str], now: float) -> None:
    kept = {role: entry for role, entry in _read(state_directory).items() if abs(now - entry[0]) < REMEMBERED}
    kept[step.role_arn or ""] = (now, parts)
    text = json.dumps({role: [at, sorted(refused)] for role, (at, refused) in kept.items()})
    # On a full disk it is not known next time, and costs a refused call again.
    with suppress(OSError):
        files.replace(state_directory / FILE, text.encode(), 0o600)


def _read(state_directory: Path) -> dict[str, tuple[float, set[str]]]:
    """When each role has refused what; a missing or damaged file says nothing."""
    try:
        found = json.loads((state_directory / FILE).read_bytes())
        return {role: (float(at), {IDENTITY, TAGS} & set(parts)) for role, (at, parts) in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
