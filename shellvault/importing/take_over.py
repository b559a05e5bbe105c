"""Imports key pairs: reads each, proves it with a call, stores it in the vault, and only then removes the plaintext.

A killed run leaves each pair in its old place, in the vault, or in both; the next run continues.
"""

import os
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from shellvault import files, threads
from shellvault.display import printable
from shellvault.errors import ShellvaultError
from shellvault.importing import plaintext
from shellvault.importing.found import AskPassphrase, Found
from shellvault.importing.items import ImportingError
from shellvault.profiles.edit import BACKUP_SUFFIX, check_name
from shellvault.profiles.parse import read_bytes
from shellvault.vault import StoredKeys

#: Performs an operation on the vault (vault.operations).
Operate = Callable[[dict[str, Any]], dict[str, Any]]

#: The outcome for one key pair.
Outcome = Literal["taken over", "in the vault already"]

#: Most pairs that are proved in parallel.
PROOFS_AT_ONCE = 8

#: Most programs that read pairs in parallel.
READS_AT_ONCE = 4

#: Modules that a proof imports.
PROOF_MODULES = ("botocore.client", "botocore.session", "botocore.exceptions", "encodings.idna")


@dataclass(frozen=True, slots=True)
class ImportActions:
    """The functions that ask for passphrases, prove keys, store them, and confirm."""

    operate: Operate
    ask: AskPassphrase
    prove: Callable[[str, StoredKeys], object]
    """Raises ShellvaultError when AWS refuses the keys of this profile. Called by several threads."""
    may_replace: Callable[[str, str, str], bool]
    """Whether the stored key of a name (with this id) may be replaced by the new id."""


@dataclass(slots=True)
class Taken:
    """One pair during its import."""

    found: Found
    keys: StoredKeys | None = None
    outcome: Outcome | None = None
    problem: ShellvaultError | None = None
    replaces: bool = False
    same_as: "Taken | None" = None
    """The same pair, found in another place: this one shares its outcome."""

    @property
    def is_due(self) -> bool:
        """Whether it is still to be stored."""
        return self.problem is None and self.outcome is None and self.same_as is None


def take_over(chosen: Iterable[Found], actions: ImportActions) -> list[Taken]:
    """Stores the pairs in the vault, all new ones with one unlock and one write. Plaintext copies stay.

    Each result has an `outcome` or a `problem`. Raises errors that concern no single pair, before anything is stored.
    """
    taken = _read_all(list(chosen), actions.ask)
    _judge(taken, actions.operate({"do": "list"})["keys"], actions.may_replace)
    due = [each for each in taken if each.is_due]
    threads.at_once(lambda each: _try(each, actions.prove), due, PROOFS_AT_ONCE, PROOF_MODULES)
    new = [each for each in due if each.is_due and not each.replaces]
    if new:
        pairs = {each.found.name: asdict(each.keys) for each in new if each.keys}
        _store(new, {"do": "save-new", "keys": pairs}, actions.operate)
    for each in due:
        if each.is_due and each.keys:
            _store([each], {"do": "save", "name": each.found.name, **asdict(each.keys)}, actions.operate)
    for each in taken:
        if each.same_as:
            each.problem = each.same_as.problem
            each.outcome = None if each.problem else "in the vault already"
    return taken


def _read_all(chosen: list[Found], ask: AskPassphrase) -> list[Taken]:
    """Reads the pairs, in order. Where a program reads them, the first is read alone: it may ask a person."""
    first: dict[str, Found] = {}
    for found in chosen:
        first.setdefault(found.store if found.by_program else f"{id(found)}", found)
    alone = {id(found): _read(found, ask) for found in first.values()}
    others = [found for found in chosen if id(found) not in alone]
    read = dict(
        zip(
            map(id, others),
            threads.at_once(lambda found: _read(found, ask), others, READS_AT_ONCE),
            strict=True,
        )
    )
    return [taken for found in chosen for taken in (alone | read)[id(found)]]


def _read(found: Found, ask: AskPassphrase) -> list[Taken]:
    try:
        if found.several:
            return [taken for each in found.several(ask) for taken in _read(each, ask)]
        check_name(found.name)
        return [Taken(found, found.load(ask))]
    except ShellvaultError as error:
        return [Taken(found, problem=error)]
    except Exception as error:
        # One bad item of another program must not stop the rest.
        problem = str(error) or type(error).__name__
        return [Taken(found, problem=ImportingError(f"{found.where} cannot be read ({problem})"))]


def _judge(
    taken: Iterable[Taken], stored: Mapping[str, str], may_replace: Callable[[str, str, str], bool]
) -> None:
    """Decides for each pair whether it is new, stored already, or replaces another."""
    known = dict(stored)
    first: dict[str, Taken] = {}
    for each in taken:
        if each.keys is None:
            continue
        name, key_id = each.found.name, each.keys.access_key_id
        there = known.get(name)
        if there == key_id and name in first:
            each.same_as = first[name]
        elif there == key_id:
            each.outcome = "in the vault already"
        elif there is None:
            known[name], first[name] = key_id, each
        elif name in stored and name not in first and may_replace(name, there, key_id):
            each.replaces, known[name], first[name] = True, key_id, each
        else:
            where = "in the vault" if name in stored else "elsewhere, imported instead"
            each.problem = ImportingError(
                f"{printable(name)} has other keys {where} ({there}): left alone; --overwrite replaces them"
            )


def _try(each: Taken, prove: Callable[[str, StoredKeys], object]) -> None:
    try:
        if each.keys:
            prove(each.found.name, each.keys)
    except ShellvaultError as error:
        each.problem = error


def _store(pairs: Iterable[Taken], operation: dict[str, Any], operate: Operate) -> None:
    try:
        operate(operation)
    except ShellvaultError as error:
        for each in pairs:
            each.problem = error
    else:
        for each in pairs:
            each.outcome = "taken over"


def take_out(path: Path, names: Iterable[str], operate: Operate, *, is_config: bool) -> bool:
    """Removes the pairs of these profiles from a plaintext file; the vault keeps a copy of the original file.

    Removes them from shellvault's backup of the file too. Returns whether anything was removed.
    Raises ShellvaultError if the file cannot be changed, or another program changes it meanwhile.
    """
    chosen = sorted(names)
    before = read_bytes(path)
    if before is None or not chosen:
        return False
    after = plaintext.without_keys(before, chosen, is_config=is_config)
    if after != before:
        target = os.path.realpath(path)
        operate({"do": "back-up", "path": target})
        _replace(path, before, after)
    backup = path.with_name(path.name + BACKUP_SUFFIX)
    older = read_bytes(backup)
    if older is not None:
        stripped = plaintext.without_keys(older, chosen, is_config=is_config)
        if stripped != older:
            _replace(backup, older, stripped)
    return after != before


def _replace(path: Path, before: bytes, after: bytes) -> None:
    def check() -> None:
        if read_bytes(path) != before:
            raise ImportingError(
                f"{printable(str(path))} was changed by another program just now: run the command again"
            )

    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        files.replace(path, after, mode, owned_like=path, check=check)
    except OSError as error:
        raise ShellvaultError(
            f"{printable(str(path))} cannot be changed ({error.strerror}): the keys are in it and in the vault"
        ) from error
