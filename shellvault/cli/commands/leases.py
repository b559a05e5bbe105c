"""`shellvault leases`: what programs may use because a person has said so."""

import json
import os
import time

import click

from shellvault.cli import now
from shellvault.client import permits
from shellvault.dialogue import output, tables
from shellvault.display import printable


@click.command(name="leases")
@click.option("--json", "as_json", is_flag=True, help="Print it for a program.")
def command(as_json: bool) -> int:
    """Show which programs may use which profiles, and for how long. `shellvault revoke NUMBER` ends one."""
    found = permits.permits(os.environ)
    if as_json:
        output.result(json.dumps(found, indent=2) + "\n")
        return 0
    if not found:
        output.note("no program has a lease")
        return 0
    rows = [
        (
            str(entry["number"]),
            printable(entry["program"]),
            now.process(entry["process"]),
            printable(", ".join(entry["profiles"]), None),
            ", ".join(entry["narrowing"]) or "as asked",
            tables.time_left(entry["until"] - time.time()),
        )
        for entry in found
    ]
    output.result(tables.table(("No.", "Program", "Process", "Profiles", "Narrowed", "Left"), rows))
    return 0
