"""`shellvault remove`: stored keys and the sessions made from them, gone."""

import os

import click

from shellvault.cli import broker, clear, first_steps, output, terminal
from shellvault.cli.options import backend_option, known_names
from shellvault.cli.suggest import similar
from shellvault.errors import NeedsPersonError, ShellvaultError, UsageError


@click.command(name="remove")
@click.argument("name")
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@click.option("-s", "--sessions-only", is_flag=True, hidden=True)
@backend_option
def command(name: str, force: bool, sessions_only: bool, backend: str | None) -> int:
    """Remove the stored keys of profile NAME.

    The sessions made from them go too. The config file stays as it is, and so do the keys in AWS: delete them there
    if nobody needs them.
    """
    if sessions_only:
        return clear.forget(name, backend)
    operate = broker.vault_operations(backend, dict(os.environ))
    # Keys that are not listed may still be there, if their removal was cut short: they are removed unasked.
    stored = operate({"do": "list"})["keys"]
    if name in stored and not force and not _confirmed(name):
        raise ShellvaultError("nothing was removed")
    removed = operate({"do": "remove", "name": name})
    sessions = removed["sessions"]
    if sessions is None:
        first_steps.require_any([*known_names(os.environ), *stored])
        near = similar(name, stored)
        advice = f"did you mean {near}?" if near else "`shellvault list` shows what is there"
        raise UsageError(f"no keys are stored for {name}: {advice}")
    output.note(
        f"removed the keys of {name} from the vault ({removed['backend']}), and {sessions} of their sessions"
    )
    return 0


def _confirmed(name: str) -> bool:
    try:
        return terminal.confirm(f"Remove the stored keys of {name}?")
    except NeedsPersonError as error:
        raise NeedsPersonError(f"{error}: --force asks nothing") from error
