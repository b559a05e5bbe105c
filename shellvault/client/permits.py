"""What a command asks the agent about permits: open questions, answers, leases."""

from collections.abc import Mapping
from typing import Any

from shellvault.client import agent
from shellvault.errors import UsageError

Entry = Mapping[str, Any]


def questions(environment: Mapping[str, str]) -> list[Entry]:
    """The questions that wait for a person; none when no agent runs. Raises AgentError."""
    return list(agent.say(environment, {"do": "questions"}).get("questions", ()))


def permits(environment: Mapping[str, str]) -> list[Entry]:
    """The permits in force; none when no agent runs. Raises AgentError."""
    return list(agent.say(environment, {"do": "permits"}).get("permits", ()))


def approve(
    environment: Mapping[str, str], number: int, seconds: float | None, narrowing: Mapping[str, str]
) -> Entry:
    """Allows what question `number` asks for; `seconds` None: once. Raises NotAllowedError, UsageError, AgentError."""
    return _answer(
        environment, {"do": "approve", "number": number, "seconds": seconds, "narrowing": dict(narrowing)}
    )


def deny(environment: Mapping[str, str], number: int, *, always: bool) -> Entry:
    """Refuses question `number`; `always`: refuses everything that program asks for. Raises as `approve`."""
    return _answer(environment, {"do": "deny", "number": number, "always": always})


def end(environment: Mapping[str, str], number: int) -> Entry:
    """Ends a permit. Raises as `approve`."""
    return _answer(environment, {"do": "end-permit", "number": number})


def lease(
    environment: Mapping[str, str],
    line: str,
    profiles: list[str],
    narrowing: Mapping[str, str],
    seconds: float,
) -> Entry:
    """A lease for this process and its children, for `profiles` as the request `line` finds them.

    Starts the agent if necessary. Raises as `approve`.
    """
    message = {
        "do": "lease",
        "request": line,
        "profiles": profiles,
        "narrowing": dict(narrowing),
        "seconds": seconds,
    }
    return agent.say(environment, message, start=True)


def _answer(environment: Mapping[str, str], message: dict[str, Any]) -> Entry:
    found = agent.say(environment, message)
    if not found:
        raise UsageError(
            f"there is no number {message['number']}: see `shellvault requests` and `shellvault leases`"
        )
    return found
