"""Stand-ins for the vault and the person, and short ways to make what acquiring a session needs."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shellvault.errors import NeedsPersonError, VaultError
from shellvault.sessions.context import Context
from shellvault.sessions.model import Challenge, Session
from shellvault.vault.records import SessionLabel, StoredKeys


@dataclass
class MemoryVault:
    """A stand-in for the vault that keeps everything in a dictionary."""

    keys: dict[str, StoredKeys] = field(default_factory=dict)
    kept: dict[str, dict[str, Any]] = field(default_factory=dict)
    labels: dict[str, SessionLabel] = field(default_factory=dict)
    is_read_only: bool = False
    keeps_sessions: bool = True
    outdated: dict[str, str] = field(default_factory=dict)
    """Key ids that the index of keys still has: whoever stored the new ones was killed."""

    @property
    def is_proven(self) -> bool:
        return False

    def stored_keys(self) -> dict[str, str]:
        return {name: keys.access_key_id for name, keys in self.keys.items()} | self.outdated

    def mend_key_index(self, name: str) -> None:
        self.outdated.pop(name, None)

    def load_keys(self, name: str) -> StoredKeys:
        return self.keys[name]

    def load_session(self, fingerprint: str) -> dict[str, Any] | None:
        return self.kept.get(fingerprint)

    def generation(self) -> str:
        return ""

    def save_session(
        self, fingerprint: str, label: SessionLabel, data: dict[str, Any], generation: str | None = None
    ) -> None:
        if self.is_read_only:
            raise VaultError("the vault is read-only")
        self.kept[fingerprint], self.labels[fingerprint] = data, label


@dataclass
class Person:
    """A stand-in for a person at the terminal, who gives the answers in turn and remembers what was said."""

    answers: Iterator[str | Callable[[], str]] = field(default_factory=lambda: iter(()))
    asked: list[Challenge] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def ask(self, challenge: Challenge) -> str:
        self.asked.append(challenge)
        answer = next(self.answers, None)
        if answer is None:
            raise NeedsPersonError("nobody is here")
        return answer if isinstance(answer, str) else answer()

    def tell(self, message: str) -> None:
        assert message.isprintable()
        self.told.append(message)


def person(*answers: str | Callable[[], str]) -> Person:
    """A person who gives these answers, and then is gone."""
    return Person(iter(answers))


@dataclass
class Clock:
    """A clock that only moves when somebody sleeps."""

    now: float = 1_000_000_000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def context(folder: Path, environment: Mapping[str, str] | None = None, **others: Any) -> Context:
    """Context with their state in `folder`, with nothing but PATH in the environment."""
    return Context(folder, {"PATH": "/usr/bin:/bin"} | dict(environment or {}), **others)


def session(number: int = 0, *, issued_at: int = 0, expires_at: int | None = None) -> Session:
    """A session that can be told from others by its number."""
    token = None if expires_at is None else f"token{number}"
    return Session(f"ASIA{number:016}", f"secret{number}", token, issued_at, expires_at)
