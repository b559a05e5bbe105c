"""Command lines of a few fixed words, done without click, whose import takes longer than what they do."""

import importlib

from shellvault.cli.ending import ended
from shellvault.dialogue import output

#: The words, and the module and function that do the same as the command.
PLAIN = {
    ("agent", "status"): ("agent_report", "show"),
    ("config",): ("settings_report", "show"),
    ("status",): ("status_report", "of_this"),
    ("whoami",): ("status_report", "of_this"),
}


def run(arguments: list[str]) -> int | None:
    """Does the command line. Returns its exit status; None for one that takes the command tree."""
    found = PLAIN.get(tuple(arguments))
    if found is None:
        return None
    output.replace_closed()
    module, function = found
    return ended(lambda: getattr(importlib.import_module(f"shellvault.cli.{module}"), function)())
