"""`shellvault export`: the session as text for a file, a program or another shell."""

from typing import Any

import click

from shellvault.cli import broker, output
from shellvault.cli.options import session_options, wish
from shellvault.shells.export import FORMATS


@click.command(name="export")
@click.argument("name", required=False)
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="env", show_default=True, help="How to write it."
)
@session_options
def command(name: str | None, form: str, **given: Any) -> int:
    """Print a session of profile NAME.

    \b
    json is what `credential_process` expects:
      credential_process = shellvault export NAME --format json
    """
    output.result(broker.answer(wish(name, given), form))
    return 0
