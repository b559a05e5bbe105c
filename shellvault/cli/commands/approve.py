"""`shellvault approve`: a program gets what it has asked for."""

import os

import click

from shellvault.callers import NO_SECRETS
from shellvault.client import permits
from shellvault.dialogue import output
from shellvault.display import printable
from shellvault.profiles.durations import parse_duration


@click.command(name="approve")
@click.argument("number", type=int)
@click.option(
    "--for", "lasts", metavar="TIME", default="15m", help="For this run of the program (default: 15m)."
)
@click.option("--once", is_flag=True, help="For this one command.")
@click.option("--read-only", is_flag=True, help="Only a session that reads, and no secrets.")
def command(number: int, lasts: str, once: bool, read_only: bool) -> int:
    """Allow a program the session that it waits for. `shellvault requests` shows the numbers."""
    seconds = None if once else float(parse_duration(lasts))
    found = permits.approve(os.environ, number, seconds, {"read-only": NO_SECRETS} if read_only else {})
    how = "once" if once else f"for {lasts}"
    profiles = ", ".join(found["profiles"])
    output.note(f"{printable(found['program'])} may use {printable(profiles, None)} {how}")
    return 0
