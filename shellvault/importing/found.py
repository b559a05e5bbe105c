"""What looking around finds: a key pair that belongs to a name, and where it lies."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from shellvault.vault import StoredKeys

#: Where keys may come from, as `shellvault import SOURCE` names it.
Source = Literal["aws-vault", "credentials-file", "env", "granted", "aws-sso"]
SOURCES: tuple[Source, ...] = ("aws-vault", "credentials-file", "env", "granted", "aws-sso")

#: Asks for the passphrase of a store: the words that name the store in, the passphrase out.
#: Raises NeedsPersonError.
AskPassphrase = Callable[[str], str]


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
