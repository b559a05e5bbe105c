"""What `shellvault status` prints."""

import json
import os
import time
from dataclasses import asdict

from shellvault.cli import holders, session_state
from shellvault.dialogue import output, tables
from shellvault.display import printable

#: The exit status where no session is valid.
NONE = 3


def of_this(*, as_json: bool = False) -> int:
    """Prints the session of this shell. Returns the exit status."""
    found = holders.receipt(dict(os.environ))
    if as_json:
        output.result(json.dumps(asdict(found) if found else None, indent=2) + "\n")
    elif found:
        output.result(_shown(found))
    else:
        output.note("this shell has no session: `shellvault use NAME` enters one")
    return 0 if found and found.valid else NONE


def _shown(found: holders.Receipt) -> str:
    account = f"{found.account} ({found.account_name})" if found.account_name else found.account
    narrowed = {"ro": "read-only", "policy": "by a policy", "": "no"}.get(found.narrowed, found.narrowed)
    rows = [
        ("Profile", found.profile),
        ("Account", account or "unknown"),
        ("Role", found.role or "-"),
        ("Narrowed", narrowed),
        ("From", found.source or "unknown"),
        ("Until", _until(found)),
    ]
    lines = tables.aligned([(title, printable(text)) for title, text in rows])
    return "".join(f"{line}\n" for line in lines)


def _until(found: holders.Receipt) -> str:
    if found.kept == "endpoint":
        return "renewed by the agent's endpoint" if found.valid else "over: its endpoint is gone"
    if found.expires_at is None:
        return found.renewal
    end = time.strftime("%H:%M", time.localtime(found.expires_at))
    left = tables.time_left(found.expires_at - time.time())
    if not found.valid:
        return f"{end} (expired)"
    how = {"renewed": "then renewed", "needs you": "then it needs you", "ends": "then it is over"}
    return f"{end} ({left} left), {how[found.renewal]}"


def of_all(*, as_json: bool = False) -> int:
    """Prints every holder of a session. Returns the exit status."""
    found = holders.everything(dict(os.environ))
    if as_json:
        output.result(json.dumps(found, indent=2) + "\n")
        return 0 if found else NONE
    if not found:
        output.note("nothing holds a session of the agent's")
        return NONE
    from shellvault import settings

    patterns = settings.production_patterns(os.environ)
    rows = [
        (
            tables.profile(holder["profile"], patterns),
            holder["kind"],
            session_state.process(holder["process"]),
            printable(holder["folder"]) or "-",
            holder.get("narrowed") or "-",
            tables.left(holder["expires_at"] - time.time()) if holder["expires_at"] else "unknown",
        )
        for holder in sorted(found, key=lambda holder: (holder["profile"], holder["process"]))
    ]
    heading = ("Profile", "Kind", "Process", "Folder", "Narrowed", "Left")
    output.result(tables.of_profiles(heading, rows, [str(row[0]) for row in rows]))
    return 0
