"""`shellvault clear`: sessions forgotten; keys stay."""

import os
from contextlib import suppress

import click

from shellvault.cli import broker, leases, output
from shellvault.cli.options import backend_option, known_names
from shellvault.cli.suggest import unknown_profile
from shellvault.errors import ConfigError, UsageError, VaultError


@click.command(name="clear")
@click.argument("name", required=False)
@backend_option
def command(name: str | None, backend: str | None) -> int:
    """Forget the sessions of profile NAME, or all of them. Keys stay in the vault."""
    return forget(name, backend)


def forget(name: str | None, backend: str | None) -> int:
    """Forgets the sessions of one profile, or of all, and says how many. Raises UsageError for an unknown one."""
    environment = dict(os.environ)
    operate = broker.vault_operations(backend, environment)
    found = operate({"do": "list"})
    held = {(label["profile"], label["expires_at"]) for label in found["sessions"]}
    held.update(broker.agent_sessions(environment))
    leases.revoke(environment, [name] if name else None)
    count = sum(name in (None, profile) for profile, _ in held)
    try:
        operate({"do": "clear", "name": name})
    except VaultError:
        # Where nothing can be written there need not be anything to forget.
        if count:
            raise
    if name and not count:
        _check_known(name, [*found["keys"]], environment)
    whose = f" of {name}" if name else ""
    output.note(f"forgot {count} session{'' if count == 1 else 's'}{whose}")
    return 0


def _check_known(name: str, stored: list[str], environment: dict[str, str]) -> None:
    with suppress(ConfigError):
        names = [*stored, *known_names(environment)]
        if name not in names:
            raise UsageError(unknown_profile(name, names))
