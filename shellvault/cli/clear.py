"""`shellvault clear`: sessions forgotten; keys stay."""

import os

import click

from shellvault.cli import broker, output
from shellvault.cli.options import backend_option


@click.command(name="clear")
@click.argument("name", required=False)
@backend_option
def command(name: str | None, backend: str | None) -> int:
    """Forget the sessions of profile NAME, or all of them. Keys stay in the vault."""
    count = broker.vault_operations(backend, dict(os.environ))({"do": "clear", "name": name})["sessions"]
    output.note(f"forgot {count} stored sessions" + (f" of {name}" if name else ""))
    return 0
