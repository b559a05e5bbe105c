"""`shellvault import`: keys from elsewhere, moved into the vault."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import click

from shellvault import here
from shellvault.cli import provider, sign_ins, taken_over
from shellvault.cli.options import backend_option
from shellvault.dialogue import output, prompters, tables, terminal
from shellvault.display import printable
from shellvault.errors import NeedsPersonError, UsageError
from shellvault.importing import stores
from shellvault.importing.found import SOURCES, Found, Source
from shellvault.importing.take_over import ImportActions
from shellvault.profiles.parse import ConfigFile, load
from shellvault.sessions.model import Challenge, Prompter
from shellvault.vault import StoredKeys


@click.command(name="import")
@click.argument("source", required=False, type=click.Choice(SOURCES))
@click.argument("names", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Take over everything that was found.")
@click.option("--dry-run", is_flag=True, help="Show what would be taken over, and change nothing.")
@click.option("--overwrite", is_flag=True, help="Replace keys that are stored already, without asking.")
@click.option("--keep", is_flag=True, help="Leave the keys where they were, too.")
@click.option("--no-check", is_flag=True, help="Do not prove the keys by a call to AWS.")
@click.option("--restore", metavar="FILE", help="Put a file back as it was before its keys were taken out.")
@backend_option
def command(
    source: str | None,
    names: Sequence[str],
    every: bool,
    dry_run: bool,
    overwrite: bool,
    keep: bool,
    no_check: bool,
    restore: str | None,
    backend: str | None,
) -> int:
    """Take over keys from aws-vault and other places.

    Everything that is found, or what SOURCE has of NAMES. Keys are proved by a call and put into the vault; only
    then plaintext is replaced by a comment. The vault keeps the file as it was: --restore puts it back. Sign-ins of
    the AWS CLI are shown too; they are used where they lie.
    """
    environment = dict(os.environ)
    prompter = prompters.Once(prompters.choose(None, environment))
    operate = provider.vault_operations(backend, environment, prompter)
    if restore:
        path = os.path.realpath(here.absolute(restore))
        operate({"do": "restore", "path": path})
        output.note(f"{path} is as it was")
        return 0
    config = load(here.config_file(environment))
    search = stores.look_around(
        environment, config.path, {*config.profile_names, *names}, cast("Source | None", source)
    )
    for trouble in search.troubles:
        output.complain(f"not looked into: {trouble}")
    for hint in search.hints:
        output.note(hint)
    found = _found(search.found, names)
    # Unreadable places may have keys: the list must not look complete.
    status = int(bool(search.troubles))
    if source is None:
        for line in sign_ins.of_aws_cli(config, environment):
            output.note(line)
    if not found:
        where = "in the other places" if search.troubles else "elsewhere"
        output.note(f"no keys were found {where}")
        return status
    _show(found, operate({"do": "list"})["keys"])
    chosen = found if every or (source and names) else ([] if dry_run else _chosen(found))
    if dry_run or not chosen:
        return status
    ways = ImportActions(
        operate,
        partial(_ask_passphrase, prompter),
        (lambda name, keys: None) if no_check else _prove(environment, config),
        (lambda *_: True) if overwrite else partial(_may_replace, prompter),
    )
    return taken_over.all_of(chosen, ways, config.path, environment, keep=keep) or status


def _found(everything: Sequence[Found], names: Sequence[str]) -> list[Found]:
    """What there is of these names, or all of it. aws-sso-cli's item has names of its own, seen when it is open."""
    found = [each for each in everything if not names or each.name in names]
    missing = [name for name in names if name not in {each.name for each in found}]
    if missing:
        raise UsageError(
            f"no keys were found for {', '.join(map(printable, missing))}: `shellvault import` shows all"
        )
    return found


def _show(found: Sequence[Found], stored: dict[str, str]) -> None:
    rows = [
        (
            each.name,
            each.access_key_id or "locked",
            each.where,
            _state(each, stored),
        )
        for each in found
    ]
    output.result(tables.table(("Profile", "Key", "Where", "In the vault"), rows))


def _state(found: Found, stored: dict[str, str]) -> str:
    key_id = stored.get(found.name)
    if key_id is None:
        return "no"
    return "yes" if found.access_key_id == key_id else "other keys" if found.access_key_id else "keys"


def _chosen(found: Sequence[Found]) -> list[Found]:
    """A person's choice: all, none, or names. Raises NeedsPersonError if no person can be asked."""
    try:
        words = {"all", "none", *(each.name for each in found)}
        question = "Take over which? (all, none, or names): "
        answer = terminal.ask(question, shown=lambda text: words.issuperset(text.split())).split()
    except NeedsPersonError as error:
        raise NeedsPersonError("name what to take over, or give --all (--dry-run only shows it)") from error
    if answer in ([], ["none"]):
        output.note("nothing was changed")
        return []
    if answer == ["all"]:
        return list(found)
    unknown = sorted(set(answer) - {each.name for each in found})
    if unknown:
        raise UsageError(
            f"not among what was found: {', '.join(map(printable, unknown))}: nothing was changed"
        )
    return [each for each in found if each.name in answer]


def _ask_passphrase(prompter: Prompter, store: str, variable: str, problem: str | None) -> str:
    """Another tool's passphrase: never answered by the variables of ours."""
    prompt = f"{problem}; passphrase of {store}: " if problem else f"Passphrase of {store}: "
    return prompter.ask(Challenge("other-passphrase", f"{store}: set {variable}", prompt, hidden=True))


def _may_replace(prompter: prompters.Once, name: str, stored: str, found: str) -> bool:
    question = f"{name} has {stored} in the vault: replace it by {found}?"
    try:
        return prompter.confirm("replace", name, question)
    except NeedsPersonError:
        return False


def _prove(environment: dict[str, str], config: ConfigFile) -> Callable[[str, StoredKeys], object]:
    """What asks AWS whose keys are. Imported here: it runs in threads."""
    from shellvault.cli import key_check

    return partial(key_check.owner, environment, config)
