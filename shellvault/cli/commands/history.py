"""`shellvault history`: which programs got, or were refused, which session."""

import json
import os
import time
from datetime import datetime
from typing import Any

import click

from shellvault import history, locations, settings
from shellvault.dialogue import output, tables
from shellvault.display import printable
from shellvault.errors import ShellvaultError
from shellvault.profiles.durations import parse_duration


@click.command(name="history")
@click.option("--since", metavar="TIME", help="Only the last 7d, 12h.")
@click.option("--profile", metavar="NAME", help="Only this profile.")
@click.option("--json", "as_json", is_flag=True, help="Print it for a program.")
def command(since: str | None, profile: str | None, as_json: bool) -> int:
    """Show which programs got which sessions, and which were refused. No secret is recorded."""
    environment = dict(os.environ)
    folder = locations.state_directory(environment)
    after = time.time() - parse_duration(since) if since else 0
    try:
        found = [
            entry
            for entry in history.entries(folder)
            if entry["at"] >= after and profile in (None, entry.get("profile"))
        ]
    except OSError as error:
        raise ShellvaultError(
            f"the history in {str(folder)!r} cannot be read ({error.strerror}): make it readable"
        ) from error
    if as_json:
        output.result(json.dumps(found, indent=2) + "\n")
        return 0
    if not settings.load(environment).history:
        output.note("nothing is recorded: `history` is false in config.toml")
    if not found:
        output.note("no session is recorded")
        return 0
    heading = ("When", "Profile", "Answer", "Session", "Program", "Terminal", "Folder", "Reason")
    output.result(tables.table(heading, [_row(entry) for entry in found], ("Terminal", "Folder", "Reason")))
    return 0


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    """One line of the table. Others have written what is recorded: control characters are shown escaped."""

    def text(name: str) -> str:
        return printable(str(entry.get(name) or ""))

    role = text("role").rpartition("/")[2]
    session = " ".join(filter(None, (text("account"), role, text("narrowed"))))
    program = text("program") if entry.get("actor") == "coding-agent" else _program(entry)
    when = datetime.fromtimestamp(entry["at"]).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return (
        when,
        text("profile"),
        text("answer"),
        session or "-",
        f"{program} ({text('actor')})",
        text("terminal") or "-",
        text("folder") or "-",
        text("reason") or text("why") or "-",
    )


def _program(entry: dict[str, Any]) -> str:
    """The first of the caller's programs that is not shellvault's own interpreter."""
    names = [printable(str(name)) for name in entry.get("programs", ())]
    others = [name for name in names if not name.startswith("python")]
    return (others or names or ["?"])[0]
