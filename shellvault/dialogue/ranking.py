"""Which lines of a list match what a person has typed, the surest first."""

import re
from collections.abc import Sequence

#: How a typed word can stand in a line, the surest first. The last one needs the same letters in the same order only.
_WHOLE, _PREFIX, _PART, _LETTERS = range(4)


def ranked(lines: Sequence[str], typed: str) -> list[int]:
    """The indexes of the lines in which every typed word is found, whatever its case; equals keep their order.

    A whole word comes before the beginning of one, that before a part, and that before mere letters. The word that fits
    worst decides.
    """
    words = typed.casefold().split()
    fits = {index: [_fit(line, word) for word in words] for index, line in enumerate(lines)}
    found = {index: [fit for fit in its if fit is not None] for index, its in fits.items() if None not in its}
    return sorted(found, key=lambda index: (max(found[index], default=0), sum(found[index])))


def _fit(line: str, word: str) -> int | None:
    """How the word stands in the line; None where it does not."""
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
