"""`shellvault passphrase`: another passphrase for the encrypted file."""

import os

import click

from shellvault.cli import host
from shellvault.client import agent as client
from shellvault.dialogue import output, prompters
from shellvault.errors import UsageError
from shellvault.sessions.passphrase import ask_new
from shellvault.vault import backends


@click.command(name="passphrase")
def command() -> int:
    """Change the passphrase of the encrypted file.

    Asks for the one that it has and for the new one. The agent forgets what it has unlocked, and its sessions.
    """
    environment = dict(os.environ)
    name = backends.choose(None, environment).backend
    if "file" not in (name, backends.session_backend(environment)):
        raise UsageError(f"the vault is {name}, and its passphrase is for {name} itself to change")
    prompter = prompters.choose(None, environment)
    vault = host.opened_vault(None, environment, prompter, "passphrase")
    vault.change_passphrase(lambda path: ask_new(prompter, path, "changed-passphrase"))
    path = str(backends.file_path(environment))
    output.note(f"the passphrase of {path!r} is changed; a copy of the old file still opens with the old one")
    if any(
        environment.get(variable) for variable in ("SHELLVAULT_FILE_PASSPHRASE", "AWS_VAULT_FILE_PASSPHRASE")
    ):
        output.note("SHELLVAULT_FILE_PASSPHRASE still has the old one here: correct it, or unset it")
    # Last: an agent that does not answer is an error, and the passphrase is changed all the same.
    client.lock(environment)
    return 0
