"""`shellvault version`: as `--version`."""

import click

from shellvault import __version__
from shellvault.dialogue import output


@click.command(name="version")
def command() -> int:
    """Print the version."""
    output.result(f"shellvault, version {__version__}\n")
    return 0
