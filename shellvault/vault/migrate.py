"""Copies keys from one vault to another. Each is read back and compared before the old one is deleted."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from shellvault.errors import VaultError
from shellvault.vault.vault import Vault

Outcome = Literal["copied", "overwritten", "there already", "left alone"]


@dataclass(frozen=True, slots=True)
class Copied:
    """The outcome for the keys of one name."""

    name: str
    outcome: Outcome
    """`left alone`: the other vault has different keys of that name."""
    is_deleted: bool = False


def migrate(
    source: Vault,
    target: Vault,
    wanted: Callable[[str], bool],
    *,
    overwrite: bool,
    delete_source: bool,
) -> Iterator[Copied]:
    """Copies the keys of the `wanted` names, one by one. A second run continues where the first stopped.

    Raises VaultError at the first failure: each key is then in the source, in both, or in the target.
    """
    present = target.stored_keys()
    for name in source.stored_keys():
        if not wanted(name):
            continue
        keys = source.load_keys(name)
        is_same = name in present and target.load_keys(name) == keys
        if name in present and not is_same and not overwrite:
            yield Copied(name, "left alone")
            continue
        if not is_same:
            target.save_keys(name, keys.access_key_id, keys.secret_access_key)
            if target.load_keys(name) != keys:
                raise VaultError(f"the vault ({target.backend_name}) did not store the keys of {name!r}")
        if delete_source:
            source.remove_keys(name)
        outcome: Outcome = "there already" if is_same else "overwritten" if name in present else "copied"
        yield Copied(name, outcome, delete_source)
