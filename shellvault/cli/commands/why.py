"""`shellvault why`: the calls that a profile takes, and how many MFA codes they will ask for."""

import json
import time
from dataclasses import asdict
from typing import Any

import click

from shellvault.cli import provider, session_state, sign_ins
from shellvault.cli.options import plan_options, session_request
from shellvault.dialogue import output, tables


@click.command(name="why")
@click.argument("name", required=False)
@click.option("--format", "form", type=click.Choice(("text", "json")), default="text", show_default=True)
@click.option("--prompt", metavar="DRIVER", help="What asks for the vault's passphrase, if it has one.")
@plan_options
def command(name: str | None, form: str, **given: Any) -> int:
    """Explain how profile NAME becomes a session.

    Shows what of it is there now. Makes no call to AWS.
    """
    from shellvault import plan
    from shellvault.plan.steps import SignIn

    asked = session_request(name, given)
    found, held, labels, problem = provider.explain(asked)
    sign_in = next((step for step in found.steps if isinstance(step, SignIn)), None)
    living = sign_ins.known(sign_in, labels, asked.environment) if sign_in else None
    if form == "json":
        state = {"sign_in": asdict(living) if living else None} if sign_in else {}
        shown = json.dumps(plan.to_json(found) | {"now": asdict(held) if held else None} | state, indent=2)
    else:
        described = plan.describe(found, session_state.places(asked.environment))
        shown = f"{described}\n{session_state.describe(found, held)}"
        shown += f"\n{_state(living)}" if sign_in else ""
    (output.result if form == "json" else output.prose)(f"{shown}\n")
    if problem:
        output.complain(str(problem))
        return problem.exit_status
    return 0


def _state(living: sign_ins.Known | None) -> str:
    """Whether a person would have to sign in, and until when not."""
    if living is None:
        return "not signed in: a browser or a code would be needed"
    remaining = living.ends_at - time.time()
    by = " (by the AWS CLI)" if living.by == "aws" else ""
    if remaining <= 0:
        return f"signed in{by}; it has to be renewed, which needs no person while AWS allows it"
    after = (
        "renewed then without you, for as long as AWS allows"
        if living.renewable
        else "then you sign in again"
    )
    return f"signed in{by} for {tables.time_left(remaining)} more; {after}"
