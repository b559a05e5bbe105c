"""The processes that hold a session, for the agent's status; nothing secret."""

from typing import TYPE_CHECKING

from shellvault.agent.ledger import Ledger
from shellvault.agent.memory import Memory
from shellvault.fastlane import request
from shellvault.protocol import Message

if TYPE_CHECKING:
    from shellvault.agent.endpoint import Endpoint


def all_of(memory: Memory, ledger: Ledger, endpoint: "Endpoint | None", now: float) -> list[Message]:
    """Shells, commands that were started with a session, and processes with a token of the endpoint."""
    uses = [("shell", pid, use.line) for pid, use in memory.shells.items()]
    uses += [("endpoint", pid, line) for pid, line in (endpoint.uses() if endpoint else ())]
    found = [_told(kind, pid, line, memory) for kind, pid, line in uses]
    commands = [
        {**_told("command", pid, held.line, memory), **held.about, "expires_at": held.until}
        for pid, held in ledger.commands(now)
        if pid not in memory.shells
    ]
    return found + commands


def _told(kind: str, pid: int, line: str, memory: Memory) -> Message:
    """One holder; the end of a forgotten session is not known."""
    name, fields = request.decode(line)
    entry = memory.entries.get(line)
    return {
        "kind": kind,
        "process": pid,
        "profile": name,
        "actor": fields.get("actor", "person"),
        "expires_at": entry.expires_at if entry else None,
        "needs_you": memory.needs_person(line),
        **dict.fromkeys(("account", "role", "session_name", "narrowed", "calls", "codes"), ""),
        **(entry.about if entry else {}),
    }
