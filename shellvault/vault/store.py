"""One keyring backend for keys or sessions: its documents, and the lock of its writers."""

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
    """A place for documents."""

    items: Items
    lock: "BaseFileLock"
    """Serialises the writers of this user."""
    file: "FileKeyring | None" = None
    """The backend, if it is the encrypted file; other processes may write it too."""

    def exists(self) -> bool:
        """Whether it may hold anything. Does not open it."""
        return self.file is None or self.file.exists()

    def unlock(self) -> None:
        """Asks the person to unlock it, unless it is open or does not exist yet. Raises VaultError."""
        if self.file:
            self.file.unlock()
        else:
            self.items.unlock()

    @contextmanager
    def writing_together(self) -> Iterator[None]:
        """As `writing`; an encrypted file is written once, at the end of the block, and not after an error."""
        with self.writing(), self.file.together() if self.file else nullcontext():
            yield

    @contextmanager
    def writing(self, *, is_lock_needed: bool = True) -> Iterator[None]:
        """Serialises writers. A person is asked to unlock it first: other writers must not wait for that."""
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
        """As `writing`, for removals: they go on without a lock if a full or read-only disk has no room for one.

        That is safe: other writers need the same lock.
        """
        return self.writing(is_lock_needed=False)
