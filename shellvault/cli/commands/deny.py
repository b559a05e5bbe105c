"""`shellvault deny`: a program does not get what it has asked for."""

import os

import click

from shellvault.client import permits
from shellvault.dialogue import output


@click.command(name="deny")
@click.argument("number", type=int)
@click.option("--always", is_flag=True, help="Refuse this program everything, until the agent ends.")
def command(number: int, always: bool) -> int:
    """Refuse a program the session that it waits for. `shellvault requests` shows the numbers."""
    permits.deny(os.environ, number, always=always)
    output.note("refused" if not always else "refused, and from now on without a question")
    return 0
