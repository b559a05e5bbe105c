"""Help whose lines are never broken inside a `command` that a person may copy."""

import re
from collections.abc import Iterable

import click

#: Stands for a blank while click breaks the lines (NO-BREAK SPACE).
_GLUE = "\u00a0"


class Formatter(click.HelpFormatter):
    """As click's, but text between backticks is one word."""

    def write_text(self, text: str) -> None:
        """See click.HelpFormatter."""
        super().write_text(_glued(text))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """See click.HelpFormatter. On a narrow terminal room is left for the second column."""
        col_max = max(min(col_max, self.width - 20), 6)
        super().write_dl([(term, _glued(text)) for term, text in rows], col_max, col_spacing)

    def getvalue(self) -> str:
        """See click.HelpFormatter."""
        return super().getvalue().replace(_GLUE, " ")


class Context(click.Context):
    """A context of ours."""

    formatter_class = Formatter


def _glued(text: str) -> str:
    return re.sub(r"`[^`\n]*`", lambda found: found[0].replace(" ", _GLUE), text)
