"""Prose on a terminal: lines are broken between words, and never inside a `command` that a person may copy."""

import os
import re

#: A word and the blanks after it. Text between backticks is one word.
_WORD = re.compile(r"\s*(?:`[^`]*`|\S)+\s*|\s+")

#: The narrowest width, in columns, at which lines are broken.
_NARROWEST = 20


def folded(text: str, width: int, indent: str | None = None) -> str:
    """The text in lines that leave the last column free. Continued lines are indented by `indent`, or as their line.

    Blanks at the end stay: an answer may be typed after them.
    """
    return "\n".join(_folded(line, max(width, _NARROWEST) - 1, indent) for line in text.split("\n"))


def for_screen(text: str, descriptor: int, indent: str | None = None) -> str:
    """The text folded for the terminal on `descriptor`; unchanged if that is no terminal."""
    return folded(text, columns(descriptor), indent) if os.isatty(descriptor) else text


def columns(descriptor: int) -> int:
    """The width of the terminal on `descriptor`, in columns; 80 if unknown."""
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
