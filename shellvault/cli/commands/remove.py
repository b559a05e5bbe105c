"""`shellvault remove`: stored keys and the sessions made from them, gone."""

import os

import click

from shellvault.cli import first_steps, forgetting, provider
from shellvault.cli.commands import clear
from shellvault.cli.options import backend_option, known_names
from shellvault.cli.suggest import similar
from shellvault.dialogue import output, prompters
from shellvault.errors import NeedsPersonError, ShellvaultError, UsageError, VaultError


@click.command(name="remove")
@click.argument("name")
@click.option(
    "-f",
    "--force",
    is_flag=True,
    help="Remove them without a question; a passphrase is asked for all the same.",
)
@click.option("-s", "--sessions-only", is_flag=True, hidden=True)
@backend_option
def command(name: str, force: bool, sessions_only: bool, backend: str | None) -> int:
    """Remove the stored keys of profile NAME.

    The sessions made from them go too. The config file stays as it is, and so do the keys in AWS: delete them there
    if no profile needs them.
    """
    if sessions_only:
        return clear.forget(name, backend)
    environment = dict(os.environ)
    asked = prompters.Once(prompters.choose(None, environment))
    operate = provider.vault_operations(backend, environment, asked)
    # Keys that are not listed may still be there, if their removal was cut short: they are removed unasked.
    stored = _stored(operate)
    if (stored is None or name in stored) and not force and not _confirmed(asked, name):
        raise ShellvaultError("nothing was removed")

    def in_vault() -> None:
        removed = operate({"do": "remove", "name": name})
        sessions = removed["sessions"]
        if sessions is None:
            first_steps.require_any([*known_names(environment), *(stored or ())])
            near = similar(name, stored or ())
            advice = f"did you mean {near}?" if near else "`shellvault list` shows what is there"
            raise UsageError(f"no keys are stored for {name}: {advice}")
        output.note(
            f"removed the keys of {name} from the vault ({removed['backend']}), and {sessions} of their sessions"
        )

    try:
        forgetting.agent_first(environment, [name], [in_vault])
    except (VaultError, NeedsPersonError) as error:
        kept = f"the agent has forgotten its sessions, but the keys of {name} may still be in the vault"
        raise type(error)(f"{kept}: {error}") from error
    return 0


def _stored(operate: provider.Operate) -> list[str] | None:
    """The names with stored keys; None where the vault cannot be read."""
    try:
        return list(operate({"do": "list"})["keys"])
    except (VaultError, NeedsPersonError):
        return None


def _confirmed(asked: prompters.Once, name: str) -> bool:
    try:
        return asked.confirm("remove", name)
    except NeedsPersonError as error:
        raise NeedsPersonError(f"{error}: --force needs no answer") from error
