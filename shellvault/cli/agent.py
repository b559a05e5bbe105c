"""`shellvault agent`: look at, stop, lock or run the process that holds sessions in memory."""

import os
import time
from typing import Any

import click

from shellvault.cli import output
from shellvault.client import agent as client
from shellvault.client import starting


@click.group(name="agent")
def command() -> None:
    """The process that holds sessions in memory. It starts and ends by itself."""


@command.command()
def start() -> None:
    """Start the agent, unless it runs already."""
    client.ensure_agent(os.environ)


@command.command()
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def status(as_json: bool) -> int:
    """Show what the agent holds. The exit status is 3 when it does not run."""
    found = client.status(os.environ)
    if as_json:
        import json

        output.result(json.dumps(found, indent=2) + "\n")
    else:
        lines = _lines(found) if found else ["the agent does not run: it starts when a session is asked for"]
        output.result("".join(f"{output.printable(line)}\n" for line in lines))
    return 0 if found else 3


@command.command()
def stop() -> None:
    """End the agent. Sessions that cost no MFA code are forgotten with it."""
    _say_how_many(client.stop(os.environ), "stopped")


@command.command()
def lock() -> None:
    """Forget every session, and what unlocks an encrypted-file vault."""
    _say_how_many(client.lock(os.environ), "locked")


@command.command()
def run() -> None:
    """Run the agent in the foreground, for a service manager (contrib/shellvault-agent.service)."""
    starting.become_agent(os.environ)


def _say_how_many(agents: int, done: str) -> None:
    output.note(f"the agent is {done}" if agents else "no agent runs")


def _lines(found: dict[str, Any]) -> list[str]:
    """What a person wants to know: nothing secret."""
    lines = [f"shellvault agent {found['version']}, process {found['pid']}"]
    lines += [_session_line(session) for session in found["sessions"]] or ["no sessions"]
    lines.append(f"kept fresh for {_count(found['shells'], 'shell')}")
    if found["endpoint_users"]:
        lines.append(f"container endpoint open for {_count(found['endpoint_users'], 'process')}")
    lines += [f"unlocked: {path}" for path in found["unlocked"]]
    return lines


def _session_line(session: dict[str, Any]) -> str:
    minutes = max(0, int(session["expires_at"] - time.time())) // 60
    needs = ", needs you to renew it" if session["needs_you"] else ""
    return f"{session['profile']}: {minutes // 60}h{minutes % 60:02}m left{needs}"


def _count(things: list[Any], name: str) -> str:
    plural = f"{name}es" if name.endswith("s") else f"{name}s"
    return f"{len(things)} {name if len(things) == 1 else plural}"
