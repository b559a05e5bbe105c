"""The results of a search for keys: key pairs, each with its profile and place."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from shellvault.vault import StoredKeys

#: The sources of keys, as in `shellvault import SOURCE`.
Source = Literal["aws-vault", "credentials-file", "env", "granted", "aws-sso"]
SOURCES: tuple[Source, ...] = ("aws-vault", "credentials-file", "env", "granted", "aws-sso")

#: Asks a person for the passphrase of another tool's store. Arguments: the store's name, the tool's variable for the
#: passphrase, and what was wrong with the last answer. Raises NeedsPersonError.
AskPassphrase = Callable[[str, str, str | None], str]


#: Takes a line for a person about what was left out.
Hint = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Found:
    """A key pair, or a likely one behind a passphrase. No repr shows a secret."""

    source: Source
    name: str
    """The profile that it is for."""
    where: str
    """For a person: the store, or `FILE:LINE`."""
    load: Callable[[AskPassphrase], StoredKeys] = field(repr=False)
    """Reads the pair. Raises ImportingError if there is none, and the errors of asking."""
    access_key_id: str | None = None
    """None if it cannot be known without a passphrase."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Settings of the profile next to the keys, in a file where shellvault does not read them."""
    is_plaintext: bool = False
    """Whether the keys can be read without a passphrase."""
    store: str = ""
    """For a person: the place that still holds the keys afterwards, because shellvault must not change it."""
    by_program: bool = False
    """Whether another program reads the pair: once the first of a store is read, the others can be read in parallel."""
    several: "Callable[[AskPassphrase], list[Found]] | None" = field(default=None, repr=False)
    """Reads the pairs of an item that may hold several. Raises as `load`."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The result of a search."""

    found: tuple[Found, ...]
    troubles: tuple[str, ...] = ()
    """A line for each place that could not be searched."""
    hints: tuple[str, ...] = ()
    """What was skipped, and how to get it."""
