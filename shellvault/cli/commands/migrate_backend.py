"""`shellvault migrate-backend`: stored keys copied into another vault."""

import os

import click

from shellvault import files
from shellvault.cli import host, provider
from shellvault.dialogue import output, prompters
from shellvault.errors import UsageError
from shellvault.vault import BACKENDS
from shellvault.vault.backends import backend_file, choose


@click.command(name="migrate-backend")
@click.option(
    "--from", "source_name", required=True, type=click.Choice(BACKENDS), help="The vault that has them."
)
@click.option(
    "--to", "target_name", required=True, type=click.Choice(BACKENDS), help="The vault to copy them into."
)
@click.option(
    "--profile", "names", multiple=True, metavar="NAME", help="Only the keys of NAME (can be repeated)."
)
@click.option(
    "--dry-run", is_flag=True, help="Show what would be copied, and open the other vault not at all."
)
@click.option("--overwrite", is_flag=True, help="Replace different keys of the same name.")
@click.option(
    "--delete-source", is_flag=True, help="Delete each key from the old vault once the new one has it."
)
def command(
    source_name: str,
    target_name: str,
    names: tuple[str, ...],
    dry_run: bool,
    overwrite: bool,
    delete_source: bool,
) -> int:
    """Copy stored keys from one vault to another.

    They are copied, read back, compared, and only then deleted. Stopped anywhere it can be run again. Sessions are
    not copied: new ones are made.
    """
    from shellvault.sessions.confirmation import confirm, policy
    from shellvault.vault.migrate import migrate

    if source_name == target_name:
        raise UsageError("--from and --to are the same vault")
    environment = dict(os.environ)
    prompter = prompters.choose(None, environment)
    source = host.opened_vault(source_name, environment, prompter, "migrate")
    stored = source.stored_keys()
    missing = sorted(set(names) - set(stored))
    if missing:
        raise UsageError(f"the vault {source_name} has no keys of {', '.join(missing)}")
    wanted = set(names or stored)
    if dry_run:
        for name in sorted(wanted):
            output.note(f"would copy: {name}")
        return 0
    required = policy(environment, source_name)
    confirm("migrate", ", ".join(sorted(wanted)), source, prompter, required)
    target = host.opened_vault(target_name, environment, prompter, "migrate")
    left_alone = 0
    for copied in migrate(
        source, target, wanted.__contains__, overwrite=overwrite, delete_source=delete_source
    ):
        left_alone += copied.outcome == "left alone"
        deleted = f", deleted from {source_name}" if copied.is_deleted else ""
        output.note(f"{copied.outcome}: {copied.name}{deleted}")
    is_used = _use_from_now_on(target_name, environment, source_is_empty=not source.stored_keys())
    (target if is_used else source).note_names()
    provider.forget(environment, None)
    if left_alone:
        output.note(f"{left_alone} left alone, for {target_name} has other keys of that name (--overwrite)")
    return int(bool(left_alone))


def _use_from_now_on(target_name: str, environment: dict[str, str], *, source_is_empty: bool) -> bool:
    """Makes the new vault the default, if none is configured and the old one is empty.

    Returns whether it is the one in use.
    """
    choice = choose(None, environment)
    if choice.backend == target_name:
        return True
    if choice.named:
        output.note(f"{choice.source} names {choice.backend}: change it to use {target_name}")
    elif source_is_empty:
        files.replace(backend_file(environment), f"{target_name}\n".encode(), 0o600)
        return True
    else:
        output.note(f"{choice.backend} stays the vault in use: --backend {target_name} chooses the other")
    return False
