"""Which lines of a list match the typed text, the best match first."""

import re
from collections.abc import Sequence

#: How a line can match a typed word, the best first. The last only needs the same letters in the same order.
_WHOLE, _PREFIX, _PART, _LETTERS = range(4)


def ranked(lines: Sequence[str], typed: str) -> list[int]:
    """The indexes of the lines in which every typed word is found, whatever its case; equals keep their order.

    The order: a whole word, the beginning of one, a part, single letters. The word with the worst match decides.
    """
    words = typed.casefold().split()
    fits = {index: [_fit(line, word) for word in words] for index, line in enumerate(lines)}
    found = {index: [fit for fit in its if fit is not None] for index, its in fits.items() if None not in its}
    return sorted(found, key=lambda index: (max(found[index], default=0), sum(found[index])))


def _fit(line: str, word: str) -> int | None:
    """How the line matches the word; None if it does not."""
    folded, escaped = line.casefold(), re.escape(word)
    if re.search(rf"(?<!\S){escaped}(?!\S)", folded):
        return _WHOLE
    # `ReadOnly` and `team-read` have words within a word.
    if re.search(rf"(?<![^\W_]){escaped}", folded) or re.search(
        rf"(?<=[^\W_]){re.escape(word.capitalize())}", line
    ):
        return _PREFIX
    if word in folded:
        return _PART
    rest = iter(folded)
    return _LETTERS if all(letter in rest for letter in word) else None
