"""Tables for people: they fit the terminal, no identifier is cut, and colours are those of the prompt."""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from shellvault.dialogue.folding import columns
from shellvault.display import is_production, printable

if TYPE_CHECKING:
    from rich.text import Text

#: What is known of one thing, column by column.
Row = tuple[str, ...]

#: Variables that make rich assume a terminal.
_COLOUR_ALL_THE_SAME = ("FORCE_COLOR", "TTY_COMPATIBLE")

#: Seconds of life below which the prompt shows a session in yellow.
SOON = 600


def time_left(seconds: float | None) -> str:
    """The time left of a session, as the prompt writes it; None: it does not expire."""
    if seconds is None:
        return "does not expire"
    minutes = int(seconds) // 60
    if seconds <= 0:
        return "expired"
    if minutes < 1:
        return "<1m"
    return f"{minutes // 60}h{minutes % 60:02}m" if minutes >= 60 else f"{minutes}m"


def in_colour() -> bool:
    """Whether tables are for a terminal. Elsewhere they are plain text, and rich (60 ms) is not imported."""
    return sys.stdout.isatty() or any(os.environ.get(name) for name in _COLOUR_ALL_THE_SAME)


def left(seconds: float | None) -> "Text | str":
    """`time_left` in the prompt's colour."""
    if not in_colour():
        return time_left(seconds)
    from rich.text import Text

    style = "green" if seconds is None or seconds >= SOON else "yellow" if seconds > 0 else "red"
    return Text(time_left(seconds), style)


def profile(name: str, patterns: str | None) -> "Text | str":
    """A profile's name, bold red where the prompt shows it so; `patterns` as for `is_production`."""
    if not in_colour():
        return printable(name)
    from rich.text import Text

    return Text(printable(name, None), "bold red" if is_production(name, patterns) else "")


def of_profiles(heading: Sequence[str], rows: Sequence[Sequence["Text | str"]], names: Sequence[str]) -> str:
    """A table of rows that begin with the profiles `names`; on a terminal that of this shell is marked."""
    if not sys.stdout.isatty():
        return table(heading, rows)
    marks = ["*" if name == os.environ.get("AWS_VAULT") else "" for name in names]
    return table(("", *heading), [(mark, *row) for mark, row in zip(marks, rows, strict=True)])


def table(heading: Sequence[str], rows: Sequence[Sequence["Text | str"]], spare: Sequence[str] = ()) -> str:
    """Rows in aligned columns.

    On a terminal that is too narrow the columns in `spare` go, in that order, and then cells wrap; elsewhere neither.
    """
    if not in_colour():
        lines = [list(heading), *([printable(str(cell), None) for cell in row] for row in rows)]
        return "".join(f"{line}\n" for line in aligned(lines))
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    texts = [
        [cell if isinstance(cell, Text) else Text(printable(cell, None)) for cell in row] for row in rows
    ]
    widths = [
        max([len(title), *(row[index].cell_len for row in texts)]) for index, title in enumerate(heading)
    ]
    shown = list(range(len(heading)))
    if sys.stdout.isatty():
        # rich assumes 80 columns for a dumb terminal, unless it is given both.
        console = Console(file=sys.stdout, width=columns(sys.stdout.fileno()), height=25, highlight=False)
        for title in spare:
            if _width(widths, shown) > console.width:
                shown.remove(heading.index(title))
    else:
        console = Console(file=sys.stdout, width=_width(widths, shown), highlight=False)
    made = Table(box=None, pad_edge=False, header_style="bold")
    for index in shown:
        made.add_column(heading[index], overflow="fold")
    for row in texts:
        made.add_row(*(row[index] for index in shown))
    with console.capture() as captured:
        console.print(made)
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows as plain lines with aligned columns."""
    widths = [max(map(_cells, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell + " " * (width - _cells(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def _cells(text: str) -> int:
    """The width of a text, in terminal columns."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _width(widths: Sequence[int], shown: Sequence[int]) -> int:
    # rich separates columns by two blanks.
    return sum(widths[index] + 2 for index in shown)
