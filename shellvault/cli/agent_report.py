"""What `shellvault agent status` prints."""

import os
import time
from typing import Any

from shellvault.client import agent as client
from shellvault.dialogue import output, tables
from shellvault.display import printable


def show(*, as_json: bool = False) -> int:
    """Prints what the agent holds. Returns the exit status."""
    found = client.status(os.environ)
    if as_json:
        import json

        output.result(json.dumps(found, indent=2) + "\n")
    elif found:
        output.prose(_shown(found))
        if found["sessions"]:
            output.result(_table(found["sessions"]))
    else:
        output.prose("the agent does not run: it starts when a session is asked for\n")
    return 0 if found else 3


def _shown(found: dict[str, Any]) -> str:
    """What a person wants to know: nothing secret."""
    lines = [f"shellvault agent {found['version']}, process {found['pid']}"]
    lines += [
        f"unlocked for another {tables.time_left(until - time.time())}: {path}"
        for path, until in sorted(found["unlocked"].items())
    ]
    if found["leases"]:
        from shellvault.cli import vault_leases

        lines += [vault_leases.left_behind(kept) for kept in found["leases"]]
    if found["lock_on"]:
        lines.append(f"locks on {' and '.join(found['lock_on']['signs'])}")
        problems = found["lock_on"]["problems"].items()
        lines += [f"cannot hear the {bus} bus: {problem}" for bus, problem in problems if problem]
    if not found["sessions"]:
        lines.append("no sessions")
    return "".join(f"{printable(line, None)}\n" for line in lines)


def _table(sessions: list[dict[str, Any]]) -> str:
    """One row a session, however many requests it serves."""
    from shellvault import settings
    from shellvault.cli import session_state

    users: dict[tuple[str, float, bool], set[int]] = {}
    for session in sessions:
        key = (session["profile"], session["expires_at"], session["needs_you"])
        users.setdefault(key, set()).update(session_state.users(session))
    ordered = sorted(users.items())
    patterns = settings.production_patterns(os.environ)
    rows = [
        (
            tables.profile(name, patterns),
            tables.left(expires_at - time.time()) + (", needs you" if needs_you else ""),
            ", ".join(session_state.process(pid) for pid in sorted(pids)) or "-",
        )
        for (name, expires_at, needs_you), pids in ordered
    ]
    return tables.of_profiles(("Session", "Left", "Used by"), rows, [key[0] for key, _ in ordered])
