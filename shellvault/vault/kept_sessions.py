"""Sessions by fingerprint in one backend, with an index of their labels.

They are a cache: a damaged item counts as absent.
"""

import os
import time
from collections.abc import Set
from dataclasses import replace
from functools import partial
from typing import Any

from shellvault.attempts import attempt_all
from shellvault.vault.items import Items
from shellvault.vault.records import (
    SessionIndex,
    SessionLabel,
    session_index_from_json,
    session_index_to_json,
)
from shellvault.vault.store import Store

INDEX = "index/sessions"


class KeptSessions:
    """The sessions in one store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def load(self, fingerprint: str) -> dict[str, Any] | None:
        """The data of a session, as given to `save`, or None. Raises VaultError."""
        try:
            data = self.store.items.read(item(fingerprint))
        except ValueError:
            return None
        return data if isinstance(data, dict) else None

    def index(self) -> SessionIndex:
        """The labels of the stored sessions, and their generation. Raises VaultError."""
        return index_of(self.store.items)

    def save(
        self, fingerprint: str, label: SessionLabel, data: dict[str, Any], generation: str | None
    ) -> bool:
        """See `Vault.save_session`."""
        with self.store.writing():
            index = self.index()
            if generation not in (None, index.generation):
                return False
            self.store.items.write(item(fingerprint), data)
            index.labels[fingerprint] = label
            now = time.time()
            expired = {
                other for other, its in index.labels.items() if its.expires_at and its.expires_at <= now
            }
            self._forget(index, expired)
        return True

    def clear(self) -> int:
        """Forgets every session, also those being acquired. Returns their number. Raises VaultError."""
        with self.store.forgetting():
            index = _next(self.index())
            self._forget(index, set(index.labels))
        return len(index.labels)

    def forget(self, name: str, key_ids: Set[str | None]) -> int:
        """Forgets the sessions of the profile, and those made from one of these keys.

        Returns their number. Raises VaultError.
        """
        with self.store.forgetting():
            index = _next(self.index())
            found = {
                fingerprint
                for fingerprint, label in index.labels.items()
                if label.profile == name or label.key_id in key_ids
            }
            self._forget(index, found)
        return len(found)

    def _forget(self, index: SessionIndex, fingerprints: set[str]) -> None:
        kept = {
            fingerprint: label
            for fingerprint, label in index.labels.items()
            if fingerprint not in fingerprints
        }
        items, new = self.store.items, session_index_to_json(replace(index, labels=kept))
        # Delete the item even if the index cannot be written: without it the session is gone.
        removals = [partial(items.remove, item(fingerprint)) for fingerprint in fingerprints]
        attempt_all([partial(items.write, INDEX, new), *removals])


def index_of(items: Items) -> SessionIndex:
    """See `KeptSessions.index`."""
    try:
        return session_index_from_json(items.read(INDEX))
    except ValueError:
        return SessionIndex()


def item(fingerprint: str) -> str:
    """The key of a session's document."""
    return f"sessions/{fingerprint}"


def _next(index: SessionIndex) -> SessionIndex:
    """The same index with a new generation."""
    return replace(index, generation=os.urandom(8).hex())
