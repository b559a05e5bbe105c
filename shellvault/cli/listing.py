"""A command that only shows a list: as a table, or as JSON for a program."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from shellvault.dialogue import output, tables


def show(
    found: Sequence[Any],
    heads: Sequence[str],
    row: Callable[[Any], Sequence[str]],
    none: str,
    *,
    as_json: bool,
) -> bool:
    """Shows what was found, or the note `none`. Returns whether it has shown a table."""
    if as_json:
        output.result(json.dumps(found, indent=2) + "\n")
    elif found:
        output.result(tables.table(heads, [row(entry) for entry in found]))
    else:
        output.note(none)
    return bool(found) and not as_json
