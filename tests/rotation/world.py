"""IAM and a vault in memory, whose every call can fail before or after it has done its work."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from shellvault.errors import SessionError, VaultError
from shellvault.rotation.access_keys import AccessKey
from shellvault.rotation.rotate import Rotation
from shellvault.sessions.refusals import RefusedError
from shellvault.vault import StoredKeys

NAME = "work"
FIRST = StoredKeys("AKIAFIRST", "secret of the first")


class KilledError(BaseException):
    """The process ends here: nothing of ours runs any more."""


@dataclass
class Faults:
    """Counts calls, and strikes at one of them: before its work is done or after."""

    strike_at: int = 0
    after: bool = False
    error: Callable[[str], BaseException] = SessionError
    calls: list[str] = field(default_factory=list)

    @contextmanager
    def around(self, call: str) -> Iterator[None]:
        """Wraps the work of one call."""
        self.calls.append(call)
        strikes = len(self.calls) == self.strike_at
        if strikes and not self.after:
            raise self.error(f"{call} failed")
        yield
        if strikes:
            raise self.error(f"{call} failed")


@dataclass
class Iam:
    """One user's access keys."""

    faults: Faults
    denies: frozenset[str] = frozenset()
    """The calls that the user may not make."""
    keys: dict[str, tuple[str, bool]] = field(
        default_factory=lambda: {FIRST.access_key_id: (FIRST.secret_access_key, True)}
    )
    unknown_for: int = 0
    """How many times a new key is not known yet when it is used."""
    made: int = 0

    def works(self, keys: StoredKeys) -> bool:
        """Whether AWS takes the pair."""
        return self.keys.get(keys.access_key_id) == (keys.secret_access_key, True)

    def _check(self, call: str) -> None:
        if call in self.denies:
            raise RefusedError(f"AWS refused iam {call}: AccessDenied", "denied")

    def identity(self, keys: StoredKeys) -> str:
        """See AccessKeys."""
        with self.faults.around("identity"):
            if self.unknown_for:
                self.unknown_for -= 1
                raise RefusedError("AWS does not know the key", "rejected-credentials")
            if not self.works(keys):
                raise RefusedError("AWS does not know the key", "rejected-credentials")
            return "arn:aws:iam::123456789012:user/me"

    def sign_with(self, keys: StoredKeys) -> None:
        """See AccessKeys."""
        assert self.works(keys)

    def all(self) -> list[AccessKey]:
        """See AccessKeys."""
        with self.faults.around("all"):
            self._check("all")
            return [AccessKey(key, active, 1_700_000_000) for key, (_, active) in self.keys.items()]

    def last_used(self, access_key_id: str) -> int | None:
        """See AccessKeys."""
        self._check("last_used")
        return 1_710_000_000 if self.keys[access_key_id][1] else None

    def create(self) -> tuple[StoredKeys, int]:
        """See AccessKeys."""
        with self.faults.around("create"):
            self._check("create")
            if len(self.keys) == 2:
                raise RefusedError("LimitExceeded")
            self.made += 1
            new = StoredKeys(f"AKIANEW{self.made}", f"secret {self.made}")
            self.keys[new.access_key_id] = (new.secret_access_key, True)
        return new, 1_790_000_000

    def deactivate(self, access_key_id: str) -> None:
        """See AccessKeys."""
        with self.faults.around("deactivate"):
            self._check("deactivate")
            if access_key_id in self.keys:
                self.keys[access_key_id] = (self.keys[access_key_id][0], False)

    def delete(self, access_key_id: str) -> None:
        """See AccessKeys."""
        with self.faults.around("delete"):
            self._check("delete")
            self.keys.pop(access_key_id, None)


@dataclass
class Store:
    """A vault."""

    faults: Faults
    keys: dict[str, StoredKeys] = field(default_factory=lambda: {NAME: FIRST})
    notes: dict[str, dict[str, Any]] = field(default_factory=dict)
    loses_writes: bool = False

    def load_keys(self, name: str) -> StoredKeys:
        """See KeyStore."""
        with self.faults.around("load_keys"):
            return self.keys[name]

    def save_keys(self, name: str, access_key_id: str, secret_access_key: str) -> None:
        """See KeyStore."""
        with self.faults.around("save_keys"):
            if not self.loses_writes:
                self.keys[name] = StoredKeys(access_key_id, secret_access_key)

    def load_rotation(self, name: str) -> dict[str, Any] | None:
        """See KeyStore."""
        with self.faults.around("load_rotation"):
            return self.notes.get(name)

    def save_rotation(self, name: str, note: dict[str, Any]) -> None:
        """See KeyStore."""
        with self.faults.around("save_rotation"):
            self.notes[name] = dict(note)

    def remove_rotation(self, name: str) -> None:
        """See KeyStore."""
        with self.faults.around("remove_rotation"):
            self.notes.pop(name, None)


@dataclass
class World:
    """IAM, a vault, and a clock that only sleeping moves."""

    faults: Faults = field(default_factory=Faults)
    said: list[str] = field(default_factory=list)
    now: float = 1_800_000_000

    def __post_init__(self) -> None:
        self.iam, self.store = Iam(self.faults), Store(self.faults)

    def rotation(self, *, keep_old: bool = False) -> Rotation:
        """A rotation in this world."""
        return Rotation(NAME, self.store, self.iam, self.said.append, keep_old, lambda: self.now, self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds

    def heal(self) -> None:
        """From now on nothing fails."""
        self.faults.strike_at = 0
        self.store.loses_writes = False

    @property
    def stored(self) -> StoredKeys:
        """The key pair in the vault."""
        return self.store.keys[NAME]


def vault_error(message: str) -> VaultError:
    """An error of the vault."""
    return VaultError(message)
