"""Lines of ours for a person to type, as each shell writes them."""

import re

from shellvault.shells import RECORDS
from shellvault.shells.quote import quote

#: Words that are one word in each of the shells as they stand.
_PLAIN = re.compile(r"[A-Za-z0-9_./-]+")


def command(shell: str, *words: str) -> str:
    """`shellvault` with these words, quoted where they must be. Raises UsageError (see `quote`)."""
    written = (word if _PLAIN.fullmatch(word) else quote(shell, word) for word in words)
    return " ".join(("shellvault", *written))


def evaluated(shell: str, *words: str) -> str:
    """The line that puts what `shellvault` prints for these words into the shell. Raises UsageError."""
    return RECORDS[shell].evaluated.format(command(shell, *words))
