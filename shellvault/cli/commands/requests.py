"""`shellvault requests`: what waits for a person's answer."""

import json
import os
import time

import click

from shellvault.client import permits
from shellvault.dialogue import output, tables
from shellvault.display import printable


@click.command(name="requests")
@click.option("--json", "as_json", is_flag=True, help="Print it for a program.")
def command(as_json: bool) -> int:
    """Show which programs wait for your answer: coding agents, and others that may not act by themselves."""
    found = permits.questions(os.environ)
    if as_json:
        output.result(json.dumps(found, indent=2) + "\n")
        return 0
    if not found:
        output.note("no program waits for an answer")
        return 0
    rows = [
        (
            str(entry["number"]),
            printable("; ".join(entry["about"]), None),
            printable(" < ".join(entry["names"]), None),
            printable(entry["reason"]) or "-",
            tables.time_left(time.time() - entry["asked_at"]),
        )
        for entry in found
    ]
    output.result(tables.table(("No.", "Wants", "Program", "Reason", "Waits"), rows))
    output.note("answer with `shellvault approve NUMBER` or `shellvault deny NUMBER`")
    return 0
