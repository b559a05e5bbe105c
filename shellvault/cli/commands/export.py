"""`shellvault export`: the session as text for a file, a program or another shell."""

import os
import sys
from typing import Any

import click
from click.core import ParameterSource

from shellvault.cli import first_steps, provider
from shellvault.cli.options import known_names, link_option, session_options, session_request, typed
from shellvault.dialogue import output
from shellvault.errors import UsageError
from shellvault.shells.export import FORMATS


@click.command(name="export")
@click.argument("name", required=False)
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="env", show_default=True, help="How to write it."
)
@click.option("--force", is_flag=True, help="Print it to a terminal too, secrets and all.")
@link_option
@session_options
@click.pass_context
def command(context: click.Context, /, name: str | None, form: str, force: bool, **given: Any) -> int:
    """Print a session of profile NAME.

    \b
    json is what `credential_process` expects:
      credential_process = shellvault export NAME --format json
    """
    is_chosen = force or context.get_parameter_source("form") is ParameterSource.COMMANDLINE
    if not is_chosen and sys.stdout.isatty():
        first_steps.require_any(known_names(os.environ))
        from shellvault.shells import detect, lines

        line = lines.evaluated(detect.detect(os.getppid()), "env", *typed(context))
        raise UsageError(
            f"this would show secrets: name a --format to have it here, or enter the session: `{line}`"
        )
    output.result(provider.answer(session_request(name, given), form))
    return 0
