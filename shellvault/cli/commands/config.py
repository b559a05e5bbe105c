"""`shellvault config`: each setting, its value, and where that comes from."""

import click

from shellvault.cli import settings_report


@click.command(name="config")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print it for a program.")
def command(name: str | None, as_json: bool) -> int:
    """Show each setting with where it comes from.

    With NAME, also those of that profile.
    """
    return settings_report.show(name, as_json=as_json)
