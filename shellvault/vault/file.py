"""The encrypted file as a `keyring` backend. Imported only when it is the chosen vault.

Its whole content, names included, is one sealed JSON object {service: {username: password}} (see `sealed`).
"""

import errno
import json
import os
import stat
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError

from shellvault import files
from shellvault.errors import VaultError, WrongPassphraseError
from shellvault.locations import private_directory
from shellvault.locks import held, writers_lock
from shellvault.vault import sealed
from shellvault.vault.backend import AskPassphrase
from shellvault.vault.passphrases import weakness
from shellvault.vault.writes import Writes

CHANGED = "to change it"

_TRIES = 3
_MOST_BYTES = 16 * 1024 * 1024
_UNLOCK_KEY = struct.Struct(">IIB16s32s")

_Entries = dict[str, dict[str, str]]


class FileKeyring(KeyringBackend):
    """Passwords in one sealed file. The passphrase is asked for once, when it is first needed."""

    priority = 0
    """Never chosen by keyring's own discovery."""

    def __init__(
        self,
        path: Path,
        ask_passphrase: AskPassphrase,
        passphrase: str | None = None,
        unlock_key: bytes | None = None,
        cost: sealed.Cost | None = None,
        *,
        tell: Callable[[str], None] = lambda message: None,
        writes_file: Path | None = None,
    ) -> None:
        """Reads and asks nothing yet.

        `passphrase` is tried instead of asking. `unlock_key` comes from another instance and is valid until the
        passphrase changes. `cost` is that of a new file; a file with a lower cost is raised to it when it is written
        after its passphrase was given. `tell` shows a message to the person. `writes_file` counts the writes of this
        machine's files, so that a restored older copy is noticed.
        """
        self._path = Path(os.path.realpath(path))
        self._ask = ask_passphrase
        self._passphrase = passphrase
        self._key = _key_from_bytes(unlock_key) if unlock_key else None
        self._cost = cost or sealed.Cost()
        self._tell = tell
        self._writes = Writes(writes_file, self._path) if writes_file else None
        self._is_proven = False
        self._held: _Entries | None = None
        self._is_changed = False
        self._weak_passphrase: str | None = None
        """The key that opens a file whose cost is too low."""
        self.lock = writers_lock(self._path.with_name("vault.lock"))

    @property
    def unlock_key(self) -> bytes | None:
        """A secret that opens the file without its passphrase, for the agent's memory. None: still locked."""
        if self._key is None:
            return None
        key, cost = self._key, self._key.cost
        return _UNLOCK_KEY.pack(cost.memory_kib, cost.iterations, cost.lanes, key.salt, key.master)

    def exists(self) -> bool:
        """Whether the file exists. Does not open it."""
        return self._path.exists()

    def unlock(self, create: bool = False) -> None:
        """Gets the key and asks a person if needed. With `create`, makes a missing file.

        Raises WrongPassphraseError, VaultError, and the errors of `ask_passphrase`.
        """
        content = self._read()
        if content is not None:
            self._key_for(self._header(content))
        elif create:
            self._create()

    @property
    def is_proven(self) -> bool:
        """Whether the passphrase was given to this object."""
        return self._is_proven

    def prove(self, reason: str) -> None:
        """Asks a person for the passphrase, unless it was given. `reason`: why, if the file is open already.

        Raises as `unlock` does.
        """
        content = self._read()
        if content is not None and not self._is_proven:
            self._key = self._opening_key(self._header(content), reason if self._key else None)

    def change_passphrase(self, ask_new: Callable[[Path], str]) -> None:
        """Asks a person for the present passphrase, then seals the file with a new one.

        `ask_new` returns the new one for the path. Raises WrongPassphraseError, VaultError and the errors of asking:
        the file is unchanged then.
        """
        content = self._read()
        if content is None:
            raise VaultError(f"there is no vault {str(self._path)!r} yet: `shellvault add NAME` makes it")
        old = self._opening_key(self._header(content), CHANGED)
        new = sealed.new_key(ask_new(self._path), self._cost)
        with held(self.lock, VaultError):
            # Changes of other processes since then are kept, a changed passphrase too.
            content = self._read()
            if content is None or not sealed.opens(old, self._header(content)):
                raise VaultError(
                    f"another command has just changed {str(self._path)!r}: nothing was changed, try again"
                )
            self._key = old
            entries = self._entries()
            self._key, self._weak_passphrase = new, None
            try:
                self._write(entries)
            except VaultError:
                self._key = old
                raise

    @contextmanager
    def together(self) -> Iterator[None]:
        """Reads the file once, and writes all changes of the block once at its end; none after an error.

        The caller holds `lock`. Raises as `unlock` does.
        """
        self.unlock(create=True)
        self._held, self._is_changed = self._entries(), False
        try:
            yield
            entries, self._held = self._held, None
            if self._is_changed:
                self._write(entries)
        finally:
            self._held = None

    def get_password(self, service: str, username: str) -> str | None:
        """The password, or None. Raises VaultError."""
        return self._entries().get(service, {}).get(username)

    def names(self, service: str) -> list[str]:
        """The names of the passwords. Raises VaultError."""
        return list(self._entries().get(service, {}))

    def set_password(self, service: str, username: str, password: str) -> None:
        """Stores a password; keeps changes of other processes. Raises VaultError."""
        self.unlock(create=True)
        with held(self.lock, VaultError):
            entries = self._entries()
            entries.setdefault(service, {})[username] = password
            self._write(entries)

    def delete_password(self, service: str, username: str) -> None:
        """Removes a password. Raises PasswordDeleteError when there is none, VaultError."""
        if self.get_password(service, username) is None:
            raise PasswordDeleteError("no such password")
        with held(self.lock, VaultError):
            entries = self._entries()
            entries.get(service, {}).pop(username, None)
            self._write(entries)

    def _entries(self) -> _Entries:
        if self._held is not None:
            return self._held
        # Before the file is read: a write in between must not make the content look old.
        noted = self._writes.noted() if self._writes else 0
        content = self._read()
        if content is None:
            return {}
        key = self._key_for(self._header(content))
        try:
            entries = _checked(json.loads(sealed.unseal(content, key)))
        except ValueError as error:
            raise self._damaged(error) from error
        if self._writes and self._writes.is_older(entries, noted):
            self._tell(
                f"the vault {str(self._path)!r} is older than it was: it was replaced by an earlier copy, "
                "which may hold keys that were removed since"
            )
        return entries

    def _header(self, content: bytes) -> sealed.Header:
        try:
            return sealed.read_header(content)
        except ValueError as error:
            raise self._damaged(error) from error

    def _damaged(self, error: ValueError) -> VaultError:
        return VaultError(
            f"the vault {str(self._path)!r} is damaged ({error}): "
            "restore a backup, or move it away and add the keys again"
        )

    def _key_for(self, header: sealed.Header) -> sealed.Key:
        if self._key is None or self._key.salt != header.salt or not sealed.opens(self._key, header):
            self._key = self._opening_key(header)
        return self._key

    def _opening_key(self, header: sealed.Header, reason: str | None = None) -> sealed.Key:
        if self._passphrase:
            key = sealed.derive(self._passphrase, header.cost, header.salt)
            if sealed.opens(key, header):
                self._opened_by(self._passphrase, key)
                return key
            raise WrongPassphraseError(
                f"the passphrase in the environment does not open {str(self._path)!r}: "
                "correct SHELLVAULT_FILE_PASSPHRASE, or unset it to be asked"
            )
        problem = reason
        for _ in range(_TRIES):
            passphrase = self._ask(False, problem, self._path)
            key = sealed.derive(passphrase, header.cost, header.salt)
            if sealed.opens(key, header):
                self._opened_by(passphrase, key)
                return key
            problem = "that passphrase does not open the vault"
        raise WrongPassphraseError(f"the passphrase does not open {str(self._path)!r}: run the command again")

    def _opened_by(self, passphrase: str, key: sealed.Key) -> None:
        self._is_proven = True
        if key.cost.is_below(self._cost):
            self._weak_passphrase = passphrase

    def _create(self) -> None:
        passphrase = self._passphrase or self._new_passphrase()
        if self._passphrase and (problem := weakness(passphrase)):
            self._tell(
                f"the passphrase in the environment is weak: {problem}; `shellvault passphrase` changes it"
            )
        key = sealed.new_key(passphrase, self._cost)
        if not self._path.parent.exists():
            private_directory(self._path.parent)
        with held(self.lock, VaultError):
            content = self._read()
            if content is None:
                self._key, self._is_proven = key, True
                self._write({})
                return
        # Another process has made the file in the meantime.
        header = self._header(content)
        self._key = sealed.derive(passphrase, header.cost, header.salt)
        if not sealed.opens(self._key, header):
            raise WrongPassphraseError(
                f"another command has just made {str(self._path)!r} with another passphrase: try again"
            )

    def _new_passphrase(self) -> str:
        problem = None
        for _ in range(_TRIES):
            passphrase = self._ask(True, problem, self._path)
            if passphrase:
                return passphrase
            problem = "a passphrase cannot be empty"
        raise VaultError("a passphrase cannot be empty: nothing was written, run the command again")

    def _read(self) -> bytes | None:
        try:
            # Non-blocking: a FIFO in its place must not hang the command.
            flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
            with os.fdopen(os.open(self._path, flags), "rb") as stream:
                self._check_file(stream.fileno())
                return stream.read(_MOST_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise VaultError(
                f"cannot read the vault {str(self._path)!r} ({error.strerror}): "
                "check its permissions, or choose another with --backend"
            ) from error

    def _check_file(self, descriptor: int) -> None:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MOST_BYTES:
            raise VaultError(f"{str(self._path)!r} is not a shellvault vault: move it away")
        if sys.platform == "win32":
            return
        if status.st_uid != os.getuid():
            raise VaultError(
                f"the vault {str(self._path)!r} belongs to uid {status.st_uid}: "
                "name a folder of your own in SHELLVAULT_FILE_DIR"
            )
        if status.st_mode & 0o022:
            raise VaultError(f"other users can write the vault {str(self._path)!r}: run `chmod 600` on it")

    def _write(self, entries: _Entries) -> None:
        if self._held is not None:
            self._held, self._is_changed = entries, True
            return
        if self._key is None:
            raise VaultError("the vault is not unlocked: run the command again")
        if self._weak_passphrase is not None:
            self._key = sealed.new_key(self._weak_passphrase, self._cost)
            self._weak_passphrase = None
        writes = self._writes.counted(entries) if self._writes else 0
        content = sealed.seal(json.dumps(entries, separators=(",", ":")).encode(), self._key)
        try:
            files.replace(self._path, content, 0o600, alone=True)
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            remedy = "free some space" if full else "make its folder writable"
            raise VaultError(
                f"cannot write the vault {str(self._path)!r} ({error.strerror}): {remedy}"
            ) from error
        if self._writes:
            self._writes.note(writes)


def _key_from_bytes(unlock_key: bytes) -> sealed.Key | None:
    if len(unlock_key) != _UNLOCK_KEY.size:
        return None
    memory_kib, iterations, lanes, salt, master = _UNLOCK_KEY.unpack(unlock_key)
    return sealed.Key(sealed.Cost(memory_kib, iterations, lanes), salt, master)


def _checked(data: object) -> _Entries:
    if not isinstance(data, dict):
        raise ValueError("its content is of another kind")
    for items in data.values():
        if not isinstance(items, dict) or not all(isinstance(password, str) for password in items.values()):
            raise ValueError("its content is of another kind")
    return data
