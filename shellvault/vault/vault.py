"""Names, keys and sessions over a keyring that can only get, set and delete.

A keyring cannot list, so there are two index items (names, sessions) in addition to one item per key pair and one per
session. An item is written before its index entry, and the entry is removed before the item: a crash in between leaves
at worst an item without an entry, which `remove_keys` removes too. Sessions are a cache, possibly in a store of their
own: a damaged session counts as absent. Damaged keys are an error.
"""

from collections.abc import Callable, Mapping, Set
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from shellvault import files
from shellvault.attempts import attempt_all
from shellvault.errors import VaultError
from shellvault.locations import noted_names
from shellvault.vault import orphans
from shellvault.vault.kept_sessions import KeptSessions
from shellvault.vault.orphans import KEY_INDEX, Orphan
from shellvault.vault.records import SessionLabel, StoredKeys, key_index_from_json, keys_from_json
from shellvault.vault.sign_ins import SignIns
from shellvault.vault.store import Store


class Vault:
    """Long-term keys by name and sessions by fingerprint, in one keyring backend each."""

    def __init__(
        self,
        store: Store,
        names_file: Path,
        backend_file: Path | None = None,
        session_store: Store | None = None,
        *,
        keeps_sessions: bool = True,
        keeps_role_sessions: bool = False,
        lasts: str | None = None,
        tell: Callable[[str], None] = lambda message: None,
    ) -> None:
        """See `open_vault`.

        `backend_file` holds the backend's name while keys are stored. `session_store` is the store of the sessions, if
        not that of the keys. `lasts` says how long a backend keeps keys; `tell` shows it to the person once.
        """
        self._lasts, self._tell = lasts, tell
        self.keeps_sessions = keeps_sessions
        """Whether sessions are kept here."""
        self.keeps_role_sessions = keeps_role_sessions
        """Whether sessions that needed no person are kept here too."""
        self._store = store
        self._items = store.items
        self._file = store.file
        self._names_file = names_file
        self._backend_file = backend_file
        self._sessions = KeptSessions(session_store or store)
        # The vault may still hold sessions from before the setting was changed: forget those too.
        self._all_sessions = [KeptSessions(store), self._sessions] if session_store else [self._sessions]

    @property
    def backend_name(self) -> str:
        """One of BACKENDS."""
        return self._items.backend

    @property
    def sign_ins(self) -> SignIns:
        """The stored sign-ins."""
        return SignIns(self._items, self._store.writing, self._store.forgetting)

    @property
    def unlock_key(self) -> bytes | None:
        """A secret that opens the encrypted file without its passphrase; None: locked, or another backend."""
        files = (self._file, self._sessions.store.file)
        return next((file.unlock_key for file in files if file and file.unlock_key), None)

    def unlock(self) -> None:
        """Asks the person to unlock the vault, unless it is open or does not exist yet.

        Raises WrongPassphraseError, VaultError, and the errors of asking.
        """
        for kept in self._all_sessions:
            kept.store.unlock()

    def change_passphrase(self, ask_new: Callable[[Path], str]) -> None:
        """See FileKeyring. Raises VaultError if the vault is no encrypted file."""
        files = (self._file, self._sessions.store.file)
        file = next(filter(None, files), None)
        if file is None:
            raise VaultError(
                f"the vault ({self.backend_name}) is not an encrypted file and has no passphrase"
            )
        file.change_passphrase(ask_new)

    @property
    def proves_by_passphrase(self) -> bool:
        """Whether `prove` can distinguish the person from other processes."""
        return self._file is not None

    @property
    def is_proven(self) -> bool:
        """Whether a person has given the passphrase of the encrypted file to this object."""
        return self._file is not None and self._file.is_proven

    def prove(self, reason: str) -> None:
        """Asks for the passphrase of the encrypted file, unless it was given to this object already.

        `reason`: why, if the file is open. Raises WrongPassphraseError, VaultError, and the errors of asking.
        """
        if self._file:
            self._file.prove(reason)

    def stored_keys(self) -> dict[str, str]:
        """The names that have keys, each with its access key id. Raises VaultError."""
        try:
            return key_index_from_json(self._items.read(KEY_INDEX))
        except ValueError as error:
            raise VaultError(
                f"the list of names in the vault ({self.backend_name}) is damaged: `shellvault add` mends it"
            ) from error

    def has_keys(self, name: str) -> bool:
        """Whether there is an item for the keys of `name`; ignores the index. Raises VaultError."""
        try:
            return self._items.read(_keys_item(name)) is not None or name in self.stored_keys()
        except ValueError:
            # Damaged, but present.
            return True

    def load_keys(self, name: str) -> StoredKeys:
        """The key pair of `name`. Raises VaultError when there is none or it is damaged."""
        try:
            data = self._items.read(_keys_item(name))
            if data is not None:
                return keys_from_json(data)
        except ValueError as error:
            raise VaultError(
                f"the stored keys of {name!r} are damaged: run `shellvault add` again"
            ) from error
        raise VaultError(f"the vault ({self.backend_name}) has no keys of {name!r}: run `shellvault add`")

    def save_keys(self, name: str, access_key_id: str, secret_access_key: str) -> None:
        """Stores a key pair in place of an older one, and forgets the sessions of the older one.

        Raises VaultError; the older one is intact then.
        """
        _check_name(name)
        keys = StoredKeys(access_key_id, secret_access_key)
        with self._store.writing():
            index = self._mended_key_index()
            # An empty vault gets its session index now: forgetting sessions must work on a full disk.
            if name in index or not index:
                self._forget_sessions(name, {index.get(name)} - {None})
            self._items.write(_keys_item(name), asdict(keys))
            if self.load_keys(name) != keys:
                raise VaultError(f"the keyring ({self.backend_name}) has not kept the keys: choose another")
            self._write_key_index({**index, name: access_key_id})
        self._tell_how_long()

    def _tell_how_long(self) -> None:
        if self._lasts:
            self._tell(f"the vault ({self.backend_name}) keeps keys {self._lasts}: keep a copy elsewhere")
            self._lasts = None

    def save_new_keys(self, pairs: Mapping[str, StoredKeys]) -> None:
        """Stores key pairs under names that have none. Raises VaultError; the index then has none of them."""
        for name in pairs:
            _check_name(name)
        with self._store.writing_together():
            index = self._mended_key_index()
            if taken := [name for name in pairs if name in index or self._is_other(name, pairs[name])]:
                raise VaultError(f"{taken[0]!r} has keys in the vault already: run the command again")
            if not index:
                self._forget_sessions("", set())
            for name, keys in pairs.items():
                self._items.write(_keys_item(name), asdict(keys))
            self._check_kept(pairs)
            self._write_key_index(index | {name: keys.access_key_id for name, keys in pairs.items()})
        self._check_kept(pairs)
        self._tell_how_long()

    def _is_other(self, name: str, keys: StoredKeys) -> bool:
        """Whether `name` has an item with different keys; ignores the index."""
        return self.has_keys(name) and self._key_id_of(name) != keys.access_key_id

    def _check_kept(self, pairs: Mapping[str, StoredKeys]) -> None:
        for name, keys in pairs.items():
            if self.load_keys(name) != keys:
                raise VaultError(f"the keyring ({self.backend_name}) has not kept the keys: choose another")

    def mend_key_index(self, name: str) -> None:
        """Makes the key index agree with the item of `name`. Raises VaultError.

        A process may be killed between the two writes. The lock waits for one that is still writing.
        """
        with self._store.writing():
            index = self._mended_key_index()
            key_id = self._key_id_of(name)
            if name in index and key_id not in (None, index[name]):
                self._forget_sessions(name, {index[name]})
                self._write_key_index({**index, name: key_id})

    def note_names(self) -> None:
        """Writes the names of the stored keys to the file that completions read. Raises VaultError."""
        self._note_names(self.stored_keys())

    def remove_keys(self, name: str) -> int | None:
        """Removes a key pair, also one missing from the index, and the sessions made from it.

        Returns the number of sessions, None if there was nothing of that name. Raises VaultError.
        """
        if not self._store.exists():
            return None
        # Sessions go even if the store of the keys is locked: they may have a store of their own.
        removed, others = attempt_all(
            [lambda: self._remove(name), lambda: self._forget_sessions(name, {None})]
        )
        return None if removed is None else removed + others

    def _remove(self, name: str) -> int | None:
        with self._store.forgetting():
            index = self._mended_key_index()
            key_id = index.pop(name, None)
            # A session without a recorded key id may be one of them.
            key_ids = {key_id, self._key_id_of(name), None}
            sessions, _, found, _ = attempt_all(
                [
                    lambda: self._forget_sessions(name, key_ids),
                    lambda: self._write_key_index(index),
                    lambda: self._items.remove(_keys_item(name)),
                    lambda: self._items.remove(_rotation_item(name)),
                ]
            )
        return int(sessions) if found or key_id else None

    def orphans(self) -> list[Orphan]:
        """The orphans in the stores of keys and sessions. Raises VaultError."""
        stores = [kept.store for kept in self._all_sessions if kept.store.exists()]
        return [orphan for store in stores for orphan in orphans.found(store.items)]

    def remove_orphans(self) -> list[Orphan]:
        """Removes the orphans whose removal loses nothing. Returns them. Raises VaultError."""

        def removed_from(store: Store) -> list[Orphan]:
            with store.forgetting():
                return orphans.remove(store.items)

        stores = [kept.store for kept in self._all_sessions if kept.store.exists()]
        removed = attempt_all([partial(removed_from, store) for store in stores])
        return [orphan for of_store in removed for orphan in of_store]

    def load_rotation(self, name: str) -> dict[str, Any] | None:
        """The note of an unfinished rotation of the keys of `name`. Raises VaultError."""
        try:
            data = self._items.read(_rotation_item(name))
        except ValueError as error:
            raise VaultError(
                f"the note of the rotation of {name!r} is damaged: rotate these keys in IAM"
            ) from error
        return data if isinstance(data, dict) else None

    def save_rotation(self, name: str, note: dict[str, Any]) -> None:
        """Stores the note of a rotation (plain JSON) and reads it back. Raises VaultError."""
        with self._store.writing():
            self._items.write(_rotation_item(name), note)
            if self.load_rotation(name) != note:
                raise VaultError(f"the keyring ({self.backend_name}) has not kept the note: choose another")

    def remove_rotation(self, name: str) -> None:
        """Removes the note of a rotation. Raises VaultError."""
        with self._store.forgetting():
            self._items.remove(_rotation_item(name))

    def save_backup(self, path: str, content: str) -> None:
        """Stores a file's content (base64), keeps earlier copies of the path, and reads it back. Raises VaultError."""
        with self._store.writing():
            kept = [*self._backups(path), content]
            self._items.write(_backup_item(path), kept)
            if self._backups(path) != kept:
                raise VaultError(f"the keyring ({self.backend_name}) has not kept the copy: choose another")

    def load_backup(self, path: str) -> str | None:
        """The latest stored content of the file at `path`, or None. Raises VaultError."""
        return next(reversed(self._backups(path)), None)

    def remove_backup(self, path: str) -> None:
        """Removes the latest stored content. Raises VaultError."""
        with self._store.writing():
            if kept := self._backups(path)[:-1]:
                self._items.write(_backup_item(path), kept)
            else:
                self._items.remove(_backup_item(path))

    def _backups(self, path: str) -> list[str]:
        try:
            found = self._items.read(_backup_item(path))
        except ValueError:
            return []
        return [content for content in found if isinstance(content, str)] if isinstance(found, list) else []

    def load_session(self, fingerprint: str) -> dict[str, Any] | None:
        """The data of a session, as given to `save_session`, or None. Raises VaultError."""
        return self._sessions.load(fingerprint)

    def generation(self) -> str:
        """The present generation, for `save_session`. Raises VaultError."""
        return self._sessions.index().generation

    def save_session(
        self, fingerprint: str, label: SessionLabel, data: dict[str, Any], generation: str | None = None
    ) -> bool:
        """Stores a session's data (plain JSON), and forgets sessions that have expired. Raises VaultError.

        Stores nothing if `generation`, read before the session was requested, has changed: the sessions or keys were
        cleared since. Returns whether it was stored.
        """
        return self._sessions.save(fingerprint, label, data, generation)

    def sessions(self) -> list[tuple[str, SessionLabel]]:
        """The stored sessions (fingerprint, label); some may have expired. Raises VaultError."""
        return list(self._sessions.index().labels.items())

    def clear_sessions(self, name: str | None = None) -> int:
        """Forgets the sessions of a profile and its stored keys, or all; also those being acquired.

        Returns their number. Raises VaultError.
        """
        if name is None:
            return sum(attempt_all([kept.clear for kept in self._all_sessions if kept.store.exists()]))
        key_ids: set[str | None] = set()

        def find_keys() -> int:
            if self._store.exists():
                key_ids.update({self._mended_key_index().get(name)} - {None})
            return 0

        return sum(attempt_all([find_keys, lambda: self._forget_sessions(name, key_ids)]))

    def _forget_sessions(self, name: str, key_ids: Set[str | None]) -> int:
        stores = [kept for kept in self._all_sessions if kept.store.exists()]
        return sum(attempt_all([partial(kept.forget, name, key_ids) for kept in stores]))

    def _key_id_of(self, name: str) -> str | None:
        try:
            return self.load_keys(name).access_key_id
        except VaultError:
            return None

    def _mended_key_index(self) -> dict[str, str]:
        """The key index; if it is damaged, rebuilt from the names file."""
        try:
            return key_index_from_json(self._items.read(KEY_INDEX))
        except ValueError:
            pass
        found = {name: self._key_id_of(name) for name in noted_names(self._names_file)}
        return {name: key_id for name, key_id in found.items() if key_id}

    def _write_key_index(self, index: dict[str, str]) -> None:
        self._items.write(KEY_INDEX, index)
        self._note_names(index)

    def _note_names(self, index: dict[str, str]) -> None:
        try:
            files.replace(
                self._names_file, "".join(f"{name}\n" for name in sorted(index)).encode(), 0o600, alone=True
            )
            if self._backend_file and index:
                files.replace(self._backend_file, f"{self.backend_name}\n".encode(), 0o600, alone=True)
            elif self._backend_file:
                self._backend_file.unlink(missing_ok=True)
        except OSError as error:
            raise VaultError(
                f"the vault is written, but not {str(self._names_file)!r} ({error.strerror}): "
                "make its folder writable and run the command again"
            ) from error


def _check_name(name: str) -> None:
    if not name or not name.isprintable():
        raise VaultError(f"keys cannot be stored for {name!r}: use printable characters only")


def _keys_item(name: str) -> str:
    return f"keys/{name}"


def _backup_item(path: str) -> str:
    return f"backups/{path}"


def _rotation_item(name: str) -> str:
    return f"rotation/{name}"
