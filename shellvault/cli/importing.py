"""`shellvault import`: keys that lie elsewhere, taken over into the vault."""

import os
from collections.abc import Sequence
from functools import partial

import click

from shellvault import here
from shellvault.cli import broker, output, prompters, sign_ins, tables, terminal
from shellvault.cli.add import check_name
from shellvault.cli.options import backend_option
from shellvault.errors import NeedsPersonError, ShellvaultError, UsageError
from shellvault.importing import plaintext, stores
from shellvault.importing.found import SOURCES, Found
from shellvault.importing.take_over import Operate, Ways, take_out, take_over
from shellvault.profiles.parse import ConfigFile, load, printable
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
    prompter = prompters.choose(None, environment)
    operate = broker.vault_operations(backend, environment, prompter)
    if restore:
        path = os.path.realpath(here.absolute(restore))
        operate({"do": "restore", "path": path})
        output.note(f"{path} is as it was")
        return 0
    config = load(here.config_file(environment))
    found = _found(environment, config, source, names)
    if source is None:
        for line in sign_ins.of_aws_cli(config, environment):
            output.note(line)
    if not found:
        output.note("no keys were found elsewhere" if not names else "no such keys were found")
        return 0
    _show(found, operate({"do": "list"})["keys"])
    chosen = found if every or (source and names) else ([] if dry_run else _chosen(found))
    if dry_run or not chosen:
        return 0
    ways = Ways(
        operate,
        partial(_ask_passphrase, prompter),
        (lambda name, keys: None) if no_check else partial(_prove, environment, config),
        (lambda *_: True) if overwrite else _may_replace,
    )
    return _take_all(chosen, ways, config, environment, keep=keep)


def _found(
    environment: dict[str, str], config: ConfigFile, source: str | None, names: Sequence[str]
) -> list[Found]:
    everything, troubles = stores.look_around(environment, config.path, config.profile_names)
    for trouble in troubles:
        output.note(trouble)
    found = [
        each for each in everything if source in (None, each.source) and (not names or each.name in names)
    ]
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
    """What a person picks: all, none, or names. Raises NeedsPersonError where nobody can be asked."""
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


def _take_all(
    chosen: Sequence[Found], ways: Ways, config: ConfigFile, environment: dict[str, str], *, keep: bool
) -> int:
    failed, done = False, []
    for each in chosen:
        try:
            check_name(each.name)
            outcome = take_over(each, ways)
            _configure(config, each)
            output.note(f"{outcome}: {each.name} ({each.where})")
            done.append(each)
        except ShellvaultError as error:
            output.complain(f"{each.name}: {error}")
            failed = True
    if not keep:
        _clean_up(done, ways.operate, config, environment)
    return int(failed)


def _clean_up(
    done: Sequence[Found], operate: Operate, config: ConfigFile, environment: dict[str, str]
) -> None:
    """Replaces the plaintext of what the vault has now."""
    credentials = plaintext.credentials_path(environment)
    for path, is_config in ((credentials, False), (config.path, True)):
        names = {
            each.name
            for each in done
            if each.is_plaintext and each.where.startswith(f"{printable(str(path))}:")
        }
        if names and take_out(path, names, operate, is_config=is_config):
            output.note(
                f"the keys in {path} are replaced by a comment (`shellvault import --restore {path}` undoes it)"
            )
    if any(each.source == "env" for each in done):
        output.note("the keys are still in this shell: unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY")


def _configure(config: ConfigFile, found: Found) -> None:
    """Gives the profile a section, with the settings that stood beside its keys."""
    from shellvault.profiles.edit import append_profile, set_key

    now = load(config.path)
    settings = {key: value for key, value in found.settings.items() if key not in now.section(found.name)}
    if found.name not in now.profile_names:
        append_profile(config.path, found.name, settings)
        return
    for key, value in settings.items():
        set_key(config.path, found.name, key, value)


def _ask_passphrase(prompter: Prompter, store: str) -> str:
    return prompter.ask(Challenge("passphrase", store, f"Passphrase of {store}: ", hidden=True))


def _may_replace(name: str, stored: str, found: str) -> bool:
    try:
        return terminal.confirm(f"{name} has {stored} in the vault: replace it by {found}?")
    except NeedsPersonError:
        return False


def _prove(environment: dict[str, str], config: ConfigFile, name: str, keys: StoredKeys) -> None:
    """Asks AWS who the keys are of."""
    from shellvault.cli import key_check

    key_check.owner(environment, config, name, keys)
