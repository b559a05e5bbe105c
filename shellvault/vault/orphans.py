"""Items of a store that nothing in it names: what a command that was killed has left behind.

Found only where the backend can list its items. Taken for safe to remove is what is a cache, what can be had again, and
a copy of keys that have a name; the only copy of keys never.
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
    """One item that nothing names."""

    key: str
    """Its key in the store; it names a profile, or says nothing."""
    kind: str
    """`session`, `sign-in`, `part` (of an item that was written only in part), `keys` or `rotation`."""
    is_safe: bool
    """Whether it can go without a loss."""

    @property
    def name(self) -> str:
        """What it is called within its kind: for keys and rotations the profile."""
        return self.key.partition("/")[2]


def found(items: Items) -> list[Orphan]:
    """The orphans of a store; none where the backend cannot list. Raises VaultError."""
    # Before the indexes are read: what is stored in between is named by them then.
    listed = frozenset(items.keys() or ())
    named = _indexes(items) if listed else {}
    return [orphan for key in sorted(listed) if (orphan := _orphan(items, key, listed, named))]


def remove(items: Items) -> list[Orphan]:
    """Removes those that are safe, while nobody else writes. Returns them. Raises VaultError."""
    safe = [orphan for orphan in found(items) if orphan.is_safe]
    for orphan in safe:
        items.remove(orphan.key)
    return safe


def _indexes(items: Items) -> Mapping[str, Mapping[str, Any] | None]:
    """What is named, by the kind of item; None where that cannot be read, so that nobody can tell."""
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
        # It can have the only copy of a new secret.
        return Orphan(key, kind, is_safe=False)
    return Orphan(key, "keys", is_safe=_is_copy(items, key, listed, names)) if kind == "keys" else None


def _is_copy(items: Items, key: str, listed: Set[str], names: Mapping[str, Any]) -> bool:
    """Whether keys lie under a name, too.

    In an item of its own: in a store that does not tell two names apart both would be this one.
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
