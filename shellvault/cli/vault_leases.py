"""Leases of Vault that end with `leave`, `clear` and the agent, and the messages about them."""

import time
from collections.abc import Mapping
from typing import Any

from shellvault.client import agent as client
from shellvault.deadline import within
from shellvault.dialogue import output, prompters, tables
from shellvault.errors import AgentError

#: Seconds that a person waits for them: a shell that leaves, and everything else. The agent goes on.
LEAVE_PATIENCE, PATIENCE = 3.0, 10.0


def revoke(environment: Mapping[str, str], profiles: list[str] | None) -> None:
    """Ends the leases of `profiles`, None: of all."""
    _revoke(environment, profiles, None, PATIENCE)


def leave(environment: Mapping[str, str], pid: int) -> None:
    """Ends the leases that only the shell `pid` still holds."""
    _revoke(environment, None, pid, LEAVE_PATIENCE)


def _revoke(
    environment: Mapping[str, str], profiles: list[str] | None, pid: int | None, patience: float
) -> None:
    prompter = prompters.choose(None, environment)
    try:
        result = within(patience, lambda: client.revoke(environment, prompter, profiles, pid))
    except TimeoutError:
        output.note("Vault has not answered yet: the agent goes on with it (`shellvault agent status`)")
    except AgentError as error:
        output.note(str(error))
    else:
        for kept in result["kept"]:
            output.note(left_behind(kept))


def left_behind(kept: Mapping[str, Any]) -> str:
    """What to say of a lease that could not be revoked."""
    left = tables.time_left(kept["expires_at"] - time.time())
    return f"the credentials of {kept['profile']} from Vault stay good for {left}: {kept['why']}"
