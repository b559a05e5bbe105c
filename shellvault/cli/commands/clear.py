"""`shellvault clear`: sessions forgotten; keys stay."""

import os
from contextlib import suppress
from functools import partial

import click

from shellvault import locations
from shellvault.cli import forgetting, provider, vault_leases
from shellvault.cli.options import backend_option, known_names
from shellvault.cli.suggest import unknown_profile
from shellvault.dialogue import output
from shellvault.errors import ConfigError, NeedsPersonError, UsageError, VaultError
from shellvault.protocol import Message


@click.command(name="clear")
@click.argument("name", required=False)
@backend_option
def command(name: str | None, backend: str | None) -> int:
    """Forget the sessions of profile NAME, or all of them. Keys stay in the vault."""
    return forget(name, backend)


def forget(name: str | None, backend: str | None) -> int:
    """Forgets the sessions of one profile, or of all, and says how many. Raises UsageError for an unknown one."""
    environment = dict(os.environ)
    profiles = [name] if name else None
    held = set(provider.agent_sessions(environment))

    def in_vault() -> None:
        operate = provider.vault_operations(backend, environment)
        labels = operate({"do": "list"})["sessions"]
        found = {(label["profile"], label["expires_at"]) for label in labels}
        held.update(found)
        try:
            operate({"do": "clear", "name": name})
        except VaultError:
            # If nothing can be written, there may be nothing to forget.
            if any(name in (None, profile) for profile, _ in found):
                raise

    if name and name not in {profile for profile, _ in held}:
        _check_known(name, partial(provider.vault_operations, backend, environment), environment)
    try:
        forgetting.agent_first(
            environment, profiles, [lambda: vault_leases.revoke(environment, profiles), in_vault]
        )
    except (VaultError, NeedsPersonError) as error:
        raise type(error)(f"the agent has forgotten its sessions, the vault has not: {error}") from error
    from shellvault.sessions import marking

    marking.forget(locations.state_directory(environment))
    count = sum(name in (None, profile) for profile, _ in held)
    whose = f" of {name}" if name else ""
    output.note(f"forgot {count} session{'' if count == 1 else 's'}{whose}")
    return 0


def _check_known(name: str, operations: partial[provider.Operate], environment: dict[str, str]) -> None:
    """Raises UsageError for a name that neither the files nor the vault have."""
    with suppress(ConfigError):
        names = known_names(environment)
        if name in names:
            return
        found: Message = operations()({"do": "list"})
        names = [*found["keys"], *names]
        if name not in (*names, *(label["profile"] for label in found["sessions"])):
            raise UsageError(unknown_profile(name, names))
