"""`shellvault agent`: look at, stop, lock or run the process that holds sessions in memory."""

import os

import click

from shellvault.cli import agent_report, vault_leases
from shellvault.cli.commands.lock import command as lock
from shellvault.cli.suggest import Group
from shellvault.client import agent as client
from shellvault.client import starting
from shellvault.dialogue import output


@click.group(name="agent", cls=Group)
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
    return agent_report.show(as_json=as_json)


@command.command()
def stop() -> None:
    """End the agent. Sessions that cost no MFA code are forgotten with it."""
    vault_leases.revoke(os.environ, None)
    output.note("the agent is stopped" if client.stop(os.environ) else "no agent runs")


command.add_command(lock)


@command.command()
def run() -> None:
    """Run the agent in the foreground, for a service manager (contrib/shellvault-agent.service)."""
    starting.become_agent(os.environ)
