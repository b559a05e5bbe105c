"""`shellvault leases`: what programs may use because a person has said so."""

import os
import time

import click

from shellvault.cli import listing, session_state
from shellvault.client import permits
from shellvault.dialogue import tables
from shellvault.display import printable
from shellvault.protocol import Message

HEADS = ("No.", "Program", "Process", "Profiles", "Narrowed", "Left")


@click.command(name="leases")
@click.option("--json", "as_json", is_flag=True, help="Print it for a program.")
def command(as_json: bool) -> int:
    """Show which programs may use which profiles, and for how long. `shellvault revoke NUMBER` ends one."""
    listing.show(permits.permits(os.environ), HEADS, _row, "no program has a lease", as_json=as_json)
    return 0


def _row(entry: Message) -> tuple[str, ...]:
    return (
        str(entry["number"]),
        printable(entry["program"]),
        session_state.process(entry["process"]),
        printable(", ".join(entry["profiles"]), None),
        ", ".join(entry["narrowing"]) or "as asked",
        tables.time_left(entry["until"] - time.time()),
    )
