"""What looking around finds: a key pair that belongs to a name, and where it lies."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from shellvault.vault import StoredKeys

#: Where keys may come from, as `shellvault import SOURCE` names it.
Source = Literal["aws-vault", "credentials-file", "env", "granted", "aws-sso"]
SOURCES: tuple[Source, ...] = ("aws-vault", "credentials-file", "env", "granted", "aws-sso")

#: Asks a person for the passphrase of another tool's store: the words that name the store, the variable of that tool
#: that could hold it, and what was wrong with the last answer. Raises NeedsPersonError.
AskPassphrase = Callable[[str, str, str | None], str]


@dataclass(frozen=True, slots=True)
class Found:
    """One key pair, or what seems to be one behind a passphrase. No repr shows a secret."""

    source: Source
    name: str
    """The profile that it is for."""
    where: str
    """For a person: the store, or `FILE:LINE`."""
    load: Callable[[AskPassphrase], StoredKeys] = field(repr=False)
    """Reads the pair. Raises ImportingError when it is none, and whatever asking raises."""
    access_key_id: str | None = None
    """None while it is not known without a passphrase."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Settings of the profile that stand beside the keys in a place where shellvault does not read them."""
    is_plaintext: bool = False
    """Whether everybody who reads the place has the keys."""
    store: str = ""
    """For a person: what still holds the keys afterwards, and is not ours to empty."""
    several: "Callable[[AskPassphrase], list[Found]] | None" = field(default=None, repr=False)
    """For an item that may hold several pairs: reads them, each found by itself. Raises as `load`."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What looking around has given."""

    found: tuple[Found, ...]
    troubles: tuple[str, ...] = ()
    """A line for each place that could not be looked into."""
    hints: tuple[str, ...] = ()
    """What was left aside, and how it is had."""
