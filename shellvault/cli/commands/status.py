"""`shellvault status`: the session of this shell, and of all others."""

import click

from shellvault.cli import status_report


@click.command(name="status")
@click.option(
    "--all", "every", is_flag=True, help="Every shell, command, lease and endpoint that has a session."
)
@click.option("--json", "as_json", is_flag=True, help="Print it for a program.")
def command(every: bool, as_json: bool) -> int:
    """Show the session of this shell. The exit status is 3 when there is none, or it is over."""
    return status_report.of_all(as_json=as_json) if every else status_report.of_this(as_json=as_json)
