"""`shellvault lock`: what the agent holds is forgotten, as by `shellvault agent lock`."""

import os

import click

from shellvault.client import agent as client
from shellvault.dialogue import output


@click.command(name="lock")
def command() -> int:
    """Forget sessions, and lock the encrypted file.

    The agent forgets every session that it holds, and what unlocks an encrypted-file vault.
    """
    agents = client.lock(os.environ)
    output.note("the agent is locked" if agents else "no agent runs: nothing is unlocked")
    return 0
