"""`shellvault unlock`: opens the vault now, for later terminals, scripts and renewals."""

import os
import time
from collections.abc import Mapping

import click

from shellvault import here
from shellvault.cli import provider
from shellvault.cli.options import backend_option
from shellvault.client import agent as client
from shellvault.dialogue import output, progress, prompters
from shellvault.dialogue.tables import time_left
from shellvault.errors import UsageError
from shellvault.sessions import confirmation
from shellvault.vault import backends


@click.command(name="unlock")
@backend_option
def command(backend: str | None) -> int:
    """Unlock the vault, for terminals and scripts to come.

    The agent keeps an encrypted file unlocked for the time of the setting unlock_ttl (8 hours), or until
    `shellvault lock`. A keyring is asked to open itself, and stays open for as long as the desktop says.
    """
    environment = dict(os.environ)
    name = backends.choose(backend, environment).backend
    if "file" in (name, backends.session_backend(environment)):
        _unlock_file(backend, environment)
    else:
        provider.vault_operations(backend, environment)({"do": "unlock"})
        output.note(f"the vault ({name}) is open; how long is for {name} itself to say")
    return 0


def _unlock_file(backend: str | None, environment: Mapping[str, str]) -> None:
    path = backends.file_path(environment)
    if not here.agent_allowed(environment):
        raise UsageError("only the agent keeps a vault unlocked: leave SHELLVAULT_NO_AGENT out")
    if confirmation.policy(environment, "file") == "always":
        raise UsageError("confirm is `always`, so nothing is kept unlocked: set it to `keys` first")
    if not path.exists():
        raise UsageError(f"there is no vault {str(path)!r} yet: `shellvault add NAME` makes it")
    with progress.waiting("the vault"):
        client.operate({"do": "unlock"}, backend, prompters.choose(None, environment), environment)
    found = client.status(environment)
    until = found["unlocked"].get(str(path), 0) if found else 0
    output.note(
        f"{str(path)!r} stays unlocked for another {time_left(until - time.time())}; `shellvault lock` ends that"
    )
