"""Items that no index of their store names: leftovers of killed commands.

Found only if the backend can list its items. Safe to remove: caches, items that can be got again, and copies of keys
that are stored under a name. The only copy of keys is never removed.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

from shellvault.vault import kept_sessions, sign_ins
from shellvault.vault.items import Items
from shellvault.vault.records import key_index_from_json, keys_from_json

KEY_INDEX = "index/keys"


@dataclass(frozen=True, slots=True)
class Orphan:
    """One item that no index names."""

    key: str
    """Its key in the store, with at most the name of a profile."""
    kind: str
    """`session`, `sign-in`, `part` (of an unfinished write), `keys` or `rotation`."""
    is_safe: bool
    """Whether its removal loses nothing."""

    @property
    def name(self) -> str:
        """Its name within its kind: for keys and rotations the profile."""
        return self.key.partition("/")[2]


def found(items: Items) -> list[Orphan]:
    """The orphans of a store; none if the backend cannot list. Raises VaultError."""
    # Listed before the indexes are read: an item stored in between is then no orphan.
    listed = frozenset(items.keys() or ())
    named = _indexes(items) if listed else {}
    return [orphan for key in sorted(listed) if (orphan := _orphan(items, key, listed, named))]


def remove(items: Items) -> list[Orphan]:
    """Removes the safe orphans and returns them. The caller holds the lock. Raises VaultError."""
    safe = [orphan for orphan in found(items) if orphan.is_safe]
    for orphan in safe:
        items.remove(orphan.key)
    return safe


def _indexes(items: Items) -> Mapping[str, Mapping[str, Any] | None]:
    """The index of each kind of item; None if it cannot be read."""
    names: dict[str, Mapping[str, Any] | None] = {}
    for kind, key in (("keys", KEY_INDEX), ("sign-ins", sign_ins.INDEX)):
        try:
            names[kind] = items.read(key) or {}
        except ValueError:
            names[kind] = None
    try:
        names["keys"] = key_index_from_json(names["keys"])
    except ValueError:
        names["keys"] = None
    names["sessions"] = kept_sessions.index_of(items).labels
    return names


def _orphan(
    items: Items, key: str, listed: Set[str], named: Mapping[str, Mapping[str, Any] | None]
) -> Orphan | None:
    kind, _, name = key.partition("/")
    if items.is_part(key):
        whole = key.rpartition("#")[0]
        is_left = not whole.startswith(("keys/", "rotation/")) and key not in items.parts_of(whole)
        return Orphan(key, "part", is_safe=True) if is_left else None
    names = named.get("keys" if kind == "rotation" else kind)
    if names is None or name in names:
        return None
    if kind in ("sessions", "sign-ins"):
        return Orphan(key, kind.removesuffix("s"), is_safe=True)
    if kind == "rotation":
        # It may hold the only copy of a new secret.
        return Orphan(key, kind, is_safe=False)
    return Orphan(key, "keys", is_safe=_is_copy(items, key, listed, names)) if kind == "keys" else None


def _is_copy(items: Items, key: str, listed: Set[str], names: Mapping[str, Any]) -> bool:
    """Whether the same keys are also stored under a name, in another item.

    A store that does not distinguish two names would return this very item for both.
    """
    try:
        keys = keys_from_json(items.read(key))
        return any(
            f"keys/{name}" in listed
            and key_id == keys.access_key_id
            and keys_from_json(items.read(f"keys/{name}")) == keys
            for name, key_id in names.items()
        )
    except ValueError:
        return False
