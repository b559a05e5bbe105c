"""`shellvault requests`: what waits for a person's answer."""

import os
import time

import click

from shellvault.cli import listing
from shellvault.client import permits
from shellvault.dialogue import output, tables
from shellvault.display import printable
from shellvault.protocol import Message

HEADS = ("No.", "Wants", "Program", "Reason", "Waits")


@click.command(name="requests")
@click.option("--json", "as_json", is_flag=True, help="Print it for a program.")
def command(as_json: bool) -> int:
    """Show which programs wait for your answer: coding agents, and others that may not act by themselves."""
    found = permits.questions(os.environ)
    if listing.show(found, HEADS, _row, "no program waits for an answer", as_json=as_json):
        output.note("answer with `shellvault approve NUMBER` or `shellvault deny NUMBER`")
    return 0


def _row(entry: Message) -> tuple[str, ...]:
    return (
        str(entry["number"]),
        printable("; ".join(entry["about"]), None),
        printable(" < ".join(entry["names"]), None),
        printable(entry["reason"]) or "-",
        tables.time_left(time.time() - entry["asked_at"]),
    )
