"""`shellvault why`: the calls that a profile takes, and how many MFA codes they will ask for."""

import json
from dataclasses import asdict
from typing import Any

import click

from shellvault.cli import broker, now, output
from shellvault.cli.options import plan_options, wish


@click.command(name="why")
@click.argument("name", required=False)
@click.option("--format", "form", type=click.Choice(("text", "json")), default="text", show_default=True)
@click.option("--prompt", metavar="DRIVER", help="Who asks for the vault's passphrase, if it has one.")
@plan_options
def command(name: str | None, form: str, **given: Any) -> int:
    """Explain how profile NAME becomes a session, and what is there now. Makes no call to AWS."""
    from shellvault import plan

    found, held = broker.explain(wish(name, given))
    if form == "json":
        shown = json.dumps(plan.to_json(found) | {"now": asdict(held) if held else None}, indent=2)
    else:
        shown = f"{plan.describe(found)}\n{now.describe(found, held)}"
    output.result(f"{shown}\n")
    return 0
