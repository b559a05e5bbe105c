"""`shellvault env`: the session for the shell that is already open."""

import os
import sys
from typing import Any

import click

from shellvault.cli import endpoint, first_steps, provider
from shellvault.cli.options import (
    known_names,
    link_option,
    server_option,
    session_options,
    session_request,
    typed,
)
from shellvault.dialogue import output
from shellvault.errors import UsageError
from shellvault.shells import HOOKED, SHELLS


@click.command(name="env")
@click.argument("name", required=False)
@click.option(
    "--shell", type=click.Choice(SHELLS), help="The shell to write for (default: the one that asked)."
)
@click.option("--leave", is_flag=True, help="Put every variable back as it was before.")
@click.option(
    "--no-hook", is_flag=True, help="Leave the hook out that keeps the session fresh in this shell."
)
@click.option("--force", is_flag=True, help="Print it to a terminal too, secrets and all.")
@server_option
@link_option
@session_options
@click.pass_context
def command(
    context: click.Context,
    /,
    name: str | None,
    shell: str | None,
    leave: bool,
    no_hook: bool,
    force: bool,
    server: bool,
    **given: Any,
) -> int:
    """Print what puts a session of profile NAME into this shell.

    \b
    bash, zsh, sh: eval "$(shellvault env NAME)"
    fish:          shellvault env NAME | source
    PowerShell:    shellvault env NAME | Out-String | Invoke-Expression
    """
    from shellvault.shells import detect, init, lines, render

    shell = shell or detect.detect(os.getppid())
    if not force and sys.stdout.isatty():
        if not leave:
            first_steps.require_any(known_names(os.environ))
        raise UsageError(
            f"this is for the shell to evaluate: `{lines.evaluated(shell, 'env', *typed(context))}`"
        )
    if leave:
        output.result(init.kept_leave_text(shell, os.environ))
        if os.environ.get("SHELLVAULT_LEASED"):
            from shellvault.cli import vault_leases
            from shellvault.fastlane.commands import shell_pid

            vault_leases.leave(os.environ, shell_pid())
        return 0
    asked = session_request(name, given)
    if server:
        snippet = render.env_snippet(shell, endpoint.opened(asked, os.getppid()))
    else:
        snippet = provider.answer(asked, f"env.{shell}")
    hook = "" if no_hook or shell not in HOOKED else init.kept_hook_text(shell, os.environ)
    output.result(snippet + hook)
    return 0
