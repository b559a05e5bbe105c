"""What exists now for a plan: the session that would be used, its holders, and how many codes are still needed."""

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from shellvault.dialogue.tables import time_left
from shellvault.display import printable
from shellvault.errors import AgentError

if TYPE_CHECKING:
    from shellvault.plan import Plan


@dataclass(frozen=True, slots=True)
class Held:
    """A live session of one step of a plan (the first is 1). `expires_at`: epoch seconds."""

    step: int
    kept: Literal["agent", "vault"]
    expires_at: float
    users: tuple[int, ...]
    """The processes that use it, where it is the session of the whole plan."""
    mfa_prompts: int
    """How many MFA codes the steps after it need."""


def held(
    plan: "Plan", in_vault: Iterable[Mapping[str, Any]], agent: Mapping[str, Any], min_remaining: float
) -> Held | None:
    """The last step's session that would be used, None when all steps have to be done.

    `in_vault` are session labels as the operation `list` gives them, `agent` is the agent's status.
    """
    usable_from = time.time() + min_remaining
    kept: dict[str, tuple[Literal["agent", "vault"], float]] = {
        label["fingerprint"]: ("vault", label["expires_at"]) for label in in_vault if label["expires_at"]
    }
    kept |= {fingerprint: ("agent", expires_at) for fingerprint, expires_at in agent.get("steps", {}).items()}
    for index in range(len(plan.steps) - 1, -1, -1):
        step = plan.steps[index]
        for fingerprint in (step.fingerprint, *step.substitutes):
            place, expires_at = kept.get(fingerprint, ("vault", 0.0))
            if expires_at >= usable_from:
                is_last = index == len(plan.steps) - 1
                in_use = _users(plan.profile, expires_at, agent) if is_last else ()
                codes = sum(later.prompts_mfa for later in plan.steps[index + 1 :])
                return Held(index + 1, place, expires_at, in_use, codes)
    return None


def places(environment: Mapping[str, str]) -> Mapping[str, str]:
    """Where sessions are kept, for `plan.describe`. Raises ConfigError."""
    from shellvault.plan.show import KEPT
    from shellvault.vault.backends import session_backend

    name = session_backend(environment)
    if name is None:
        return KEPT
    where = KEPT["memory"] if name == "agent" else f"kept in {'the vault' if name == 'vault' else name}"
    return {**KEPT, "vault": where, "memory": where}


def describe(plan: "Plan", found: Held | None) -> str:
    """The same for a person, on one line."""
    codes = plan.mfa_prompts if found is None else found.mfa_prompts
    needed = "no code is needed" if codes == 0 else "one MFA code is needed"
    if found is None:
        return f"now: nothing is held, {needed}"
    what = "the session" if found.step == len(plan.steps) else f"step {found.step}"
    left = time_left(found.expires_at - time.time())
    used = f", used by {', '.join(map(process, found.users))}" if found.users else ""
    return f"now: the {found.kept} holds {what} for another {left}{used}: {needed}"


def users(session: Mapping[str, Any]) -> list[int]:
    """The processes that use a session of the agent's, without the shell of this command if it has left it.

    A shell says nothing to the agent when it leaves; the environment that it gave this command tells.
    """
    has_left = os.environ.get("AWS_VAULT") != session["profile"]
    return [pid for pid in session.get("users", ()) if not (has_left and pid == os.getppid())]


def process(pid: int) -> str:
    """A process as a person knows it: its program's name and number."""
    import psutil

    try:
        name = printable(psutil.Process(pid).name())
    except psutil.Error:
        name = "process"
    return f"{name} {pid}{' (this one)' if pid == os.getppid() else ''}"


def agent_status(environment: Mapping[str, str]) -> Mapping[str, Any]:
    """The agent's status; empty without one."""
    from shellvault.client import agent as client

    try:
        return client.status(environment) or {}
    except AgentError:
        return {}


def _users(profile: str, expires_at: float, agent: Mapping[str, Any]) -> tuple[int, ...]:
    found = {
        pid
        for session in agent.get("sessions", ())
        if (session["profile"], session["expires_at"]) == (profile, expires_at)
        for pid in users(session)
    }
    return tuple(sorted(found))
