"""One keyring backend as vault and sessions use it: its documents, and how its writers take turns."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shellvault.errors import VaultError
from shellvault.locks import held
from shellvault.vault.items import Items

if TYPE_CHECKING:
    from filelock import BaseFileLock

    from shellvault.vault.file import FileKeyring


@dataclass(frozen=True, slots=True)
class Store:
    """Where documents lie."""

    items: Items
    lock: "BaseFileLock"
    """Serialises the writers of this person."""
    file: "FileKeyring | None" = None
    """The backend if it is the encrypted file, which other writers may share."""

    def exists(self) -> bool:
        """Whether there can be anything in it, without opening it."""
        return self.file is None or self.file.exists()

    def unlock(self) -> None:
        """Has a person asked for what opens it, unless it is open or not made yet. Raises VaultError."""
        if self.file:
            self.file.unlock()
        else:
            self.items.unlock()

    @contextmanager
    def writing_together(self) -> Iterator[None]:
        """As `writing`; an encrypted file is written once, at the end of the block, or after an error not at all."""
        with self.writing(), self.file.together() if self.file else nullcontext():
            yield

    @contextmanager
    def writing(self, *, is_lock_needed: bool = True) -> Iterator[None]:
        """Serialises writers; whoever has to unlock it is asked before anybody has to wait."""
        if self.file:
            self.file.unlock(create=True)
        else:
            self.items.unlock()
        locks = [self.lock, *([self.file.lock] if self.file else [])]
        with ExitStack() as held_locks:
            for lock in locks:
                held_locks.enter_context(held(lock, VaultError, is_needed=is_lock_needed))
            yield

    def forgetting(self) -> AbstractContextManager[None]:
        """The same for what only forgets: a full or read-only disk, on which no lock can be made, does not stop it.

        Other writers need the same lock there.
        """
        return self.writing(is_lock_needed=False)
