"""`shellvault why`: the calls that a profile takes, and how many MFA codes they will ask for."""

import json
from typing import Any

import click

from shellvault.cli import broker, output
from shellvault.cli.options import plan_options, wish


@click.command(name="why")
@click.argument("name", required=False)
@click.option("--format", "form", type=click.Choice(("text", "json")), default="text", show_default=True)
@click.option("--prompt", metavar="DRIVER", help="Who asks for the vault's passphrase, if it has one.")
@plan_options
def command(name: str | None, form: str, **given: Any) -> int:
    """Explain how profile NAME becomes a session. Makes no call to AWS."""
    from shellvault import plan

    found = broker.plan(wish(name, given))
    output.result(
        json.dumps(plan.to_json(found), indent=2) + "\n"
        if form == "json"
        else plan.describe(found).rstrip("\n") + "\n"
    )
    return 0
