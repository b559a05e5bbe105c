"""What `shellvault import` does with the chosen keys, and its report, step by step."""

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from shellvault.cli import first_steps
from shellvault.cli.commands.install_process import replace_leftovers
from shellvault.dialogue import output
from shellvault.display import printable
from shellvault.errors import ShellvaultError
from shellvault.importing import plaintext
from shellvault.importing.found import Found, Source
from shellvault.importing.take_over import ImportActions, Operate, Taken, take_out, take_over
from shellvault.profiles.edit import append_profiles, change_keys
from shellvault.profiles.parse import load

#: How the keys of a tool are removed from its own store, by the tool itself.
_EMPTIED_BY: Mapping[Source, tuple[str, str]] = {
    "aws-vault": ("aws-vault", "remove NAME"),
    "granted": ("granted", "credentials remove"),
}


def all_of(
    chosen: Sequence[Found], ways: ImportActions, config: Path, environment: Mapping[str, str], *, keep: bool
) -> int:
    """Takes over the chosen pairs, and replaces what stands in plaintext unless `keep`; the exit status."""
    taken = take_over(chosen, ways)
    _say_problems(taken)
    there = [each.found for each in taken if each.outcome]
    for one in taken:
        if one.outcome:
            output.note(f"{one.outcome}: {one.found.name} ({one.found.where})")
    failed = len(there) < len(taken)
    failed |= not _is_done(
        lambda: _configure(config, there), there, "their profiles are not in the config file"
    )
    if not keep:
        failed |= not _clean_up(there, ways.operate, config, environment)
        if any(each.store for each in there):
            failed |= not _is_done(
                lambda: replace_leftovers(config, environment), there, "a line still calls the old tool"
            )
    _say_what_stays(there)
    if there:
        first_steps.name_next(there[0].name)
    return int(failed)


def _say_problems(taken: Iterable[Taken]) -> None:
    """One line for all that failed alike."""
    names: dict[str, list[str]] = {}
    for each in taken:
        if each.problem:
            names.setdefault(str(each.problem), []).append(printable(each.found.name))
    for problem, whose in names.items():
        output.complain(f"{', '.join(whose)}: {problem}")


def _is_done(step: Callable[[], None], there: Sequence[Found], otherwise: str) -> bool:
    """Runs a step after the keys were stored; if it fails, says what is done already."""
    try:
        step()
    except ShellvaultError as error:
        names = ", ".join(sorted({printable(each.name) for each in there}))
        output.complain(f"the keys of {names} are in the vault, but {otherwise}: {error}")
        return False
    return True


def _configure(path: Path, there: Sequence[Found]) -> None:
    """Gives each profile a section, with the settings found next to its keys: one edit for the new ones."""
    new: dict[str, dict[str, str]] = {}
    config = load(path)
    for each in there:
        section = new.get(each.name, config.section(each.name))
        settings = {key: value for key, value in each.settings.items() if key not in section}
        if each.name in config.profile_names:
            if settings:
                change_keys(path, each.name, settings)
        else:
            new.setdefault(each.name, {}).update(settings)
    if new:
        append_profiles(path, new)


def _clean_up(there: Sequence[Found], operate: Operate, config: Path, environment: Mapping[str, str]) -> bool:
    """Replaces the plaintext of what the vault has now. Returns whether all of it is gone."""
    clean = True
    for path, is_config in ((plaintext.credentials_path(environment), False), (config, True)):
        whose = [
            each for each in there if each.is_plaintext and each.where.startswith(f"{printable(str(path))}:")
        ]
        if not whose:
            continue

        def replace(path: Path = path, is_config: bool = is_config, whose: list[Found] = whose) -> None:
            if take_out(path, {each.name for each in whose}, operate, is_config=is_config):
                output.note(
                    f"the keys in {path} are replaced by a comment "
                    f"(`shellvault import --restore {path}` undoes it)"
                )

        clean &= _is_done(replace, whose, f"still in plaintext in {path}")
    return clean


def _say_what_stays(there: Sequence[Found]) -> None:
    if any(each.source == "env" for each in there):
        output.note("the keys are still in this shell: unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY")
    stores: dict[tuple[Source, str], int] = {}
    for each in there:
        if each.store:
            stores[each.source, each.store] = stores.get((each.source, each.store), 0) + 1
    for (source, store), count in stores.items():
        program, words = _EMPTIED_BY.get(source, ("", ""))
        own = _own_program(program)
        how = f"remove {'them' if count > 1 else 'it'} there" + (f" (`{own} {words}`)" if own else "")
        what = f"the {count} keys" if count > 1 else "the key"
        output.note(f"{store} still holds {what}: once everything works, {how}")


def _own_program(name: str) -> str | None:
    """The other tool's program, by its path; None where it is missing, or is a link to ours."""
    path = shutil.which(name) if name else None
    return path if path and Path(path).resolve().name == name else None
