"""Lines of ours for a person to type, as each shell writes them."""

import re

from shellvault.shells import RECORDS
from shellvault.shells.quote import quote

#: Words that are one word in each of the shells as they stand.
_PLAIN = re.compile(r"[A-Za-z0-9_./-]+")


def command(shell: str, *words: str) -> str:
    """`shellvault` with these words, quoted where they must be. Raises UsageError (see `quote`)."""
    return " ".join(("shellvault", *(word(shell, text) for text in words)))


def word(shell: str, text: str) -> str:
    """A text as one word, quoted where it must be. Raises UsageError (see `quote`)."""
    return text if _PLAIN.fullmatch(text) else quote(shell, text)


def evaluated(shell: str, *words: str) -> str:
    """The line that puts what `shellvault` prints for these words into the shell. Raises UsageError."""
    return RECORDS[shell].evaluated.format(command(shell, *words))
