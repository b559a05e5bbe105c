"""Taking over one key pair: read, proved by a call, put into the vault, and only then taken out of plaintext.

A run that is killed anywhere leaves the keys where they were, in the vault, or in both: the next one goes on.
"""

import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from shellvault import files
from shellvault.errors import ShellvaultError
from shellvault.importing import plaintext
from shellvault.importing.found import AskPassphrase, Found
from shellvault.importing.items import ImportingError
from shellvault.profiles.edit import BACKUP_SUFFIX
from shellvault.profiles.parse import printable, read_bytes
from shellvault.vault import StoredKeys

#: Does an operation on the vault (vault.operations).
Operate = Callable[[dict[str, Any]], dict[str, Any]]

#: What became of one key pair.
Outcome = Literal["taken over", "in the vault already"]


@dataclass(frozen=True, slots=True)
class Ways:
    """How keys are taken over: what reads, proves and stores them, and who is asked."""

    operate: Operate
    ask: AskPassphrase
    prove: Callable[[str, StoredKeys], None]
    """Raises ShellvaultError when AWS does not take the keys of this profile."""
    may_replace: Callable[[str, str, str], bool]
    """Whether the stored key of a name (with its id) may make room for this id."""


def take_over(found: Found, ways: Ways) -> Outcome:
    """Puts the pair into the vault. What is in plaintext stays there.

    Raises ImportingError for keys that are none or not wanted, and whatever asking, proving and storing raise.
    """
    keys = found.load(ways.ask)
    stored = ways.operate({"do": "list"})["keys"].get(found.name)
    if stored == keys.access_key_id:
        return "in the vault already"
    if stored is not None and not ways.may_replace(found.name, stored, keys.access_key_id):
        raise ImportingError(
            f"{printable(found.name)} has other keys in the vault ({stored}): left alone; --overwrite replaces them"
        )
    ways.prove(found.name, keys)
    ways.operate(
        {
            "do": "save",
            "name": found.name,
            "access_key_id": keys.access_key_id,
            "secret_access_key": keys.secret_access_key,
        }
    )
    return "taken over"


def take_out(path: Path, names: Iterable[str], operate: Operate, *, is_config: bool) -> bool:
    """Takes the pairs of these profiles out of a plaintext file, which the vault keeps as it was.

    The copy that an edit of ours has left beside it loses them too. Returns whether there was something to take out.
    Raises ShellvaultError when the file cannot be changed, or is changed by something else meanwhile.
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
    beside = path.with_name(path.name + BACKUP_SUFFIX)
    older = read_bytes(beside)
    if older is not None:
        stripped = plaintext.without_keys(older, chosen, is_config=is_config)
        if stripped != older:
            _replace(beside, older, stripped)
    return after != before


def _replace(path: Path, before: bytes, after: bytes) -> None:
    def check() -> None:
        if read_bytes(path) != before:
            raise ImportingError(
                f"{printable(str(path))} was changed by another program just now: run this again"
            )

    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        files.replace(path, after, mode, owned_like=path, check=check)
    except OSError as error:
        raise ShellvaultError(
            f"{printable(str(path))} cannot be changed ({error.strerror}): the keys are in the vault, and still there"
        ) from error
