"""Prose on a terminal: lines are broken between words, and never inside a `command` that a person may copy."""

import os
import re

#: A word with the blanks behind it. What stands between backticks is one word.
_WORD = re.compile(r"\s*(?:`[^`]*`|\S)+\s*|\s+")

#: The fewest columns that lines are broken for.
_NARROWEST = 20


def folded(text: str, width: int, indent: str | None = None) -> str:
    """The text in lines that leave the last column free; what follows a break begins with `indent`, or as its line.

    Blanks at the end stay: an answer may be typed behind them.
    """
    return "\n".join(_folded(line, max(width, _NARROWEST) - 1, indent) for line in text.split("\n"))


def for_screen(text: str, descriptor: int, indent: str | None = None) -> str:
    """The text folded for the terminal behind `descriptor`; as it is where that is none."""
    return folded(text, columns(descriptor), indent) if os.isatty(descriptor) else text


def columns(descriptor: int) -> int:
    """The width of the terminal behind `descriptor`; 80 where it does not say."""
    try:
        return os.get_terminal_size(descriptor).columns or 80
    except OSError:
        return 80


def _folded(line: str, most: int, indent: str | None) -> str:
    if indent is None:
        indent = line[: len(line) - len(line.lstrip())]
    rows = [""]
    for word in _WORD.findall(line):
        if rows[-1].strip() and len(rows[-1]) + len(word.rstrip()) > most:
            rows.append(indent)
        rows[-1] += word
    return "\n".join([*(row.rstrip() for row in rows[:-1]), rows[-1]])
