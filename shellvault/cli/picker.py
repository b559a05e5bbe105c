"""Choosing a profile on the terminal: by fzf where it is installed, else from a numbered list."""

import os
import shutil
import subprocess
from collections.abc import Sequence

from shellvault.cli import terminal
from shellvault.cli.output import printable
from shellvault.errors import NeedsPersonError, UsageError
from shellvault.variables import for_children

#: fzf(1): nothing matched; interrupted by ^C or Esc.
_NO_MATCH, _INTERRUPTED = 1, 130


def pick(names: Sequence[str]) -> str:
    """The name that a person chooses, on the terminal itself: stdout belongs to the shell that evaluates it.

    Raises:
        UsageError: there is nothing to choose from.
        NeedsPersonError: there is no terminal, or nothing was chosen.
    """
    choices = [name for name in dict.fromkeys(names) if name and "\n" not in name and "\0" not in name]
    if not choices:
        raise UsageError("there is no profile to choose from: `shellvault add NAME` stores keys for one")
    if not terminal.is_available():
        raise NeedsPersonError("name a profile: there is no terminal to choose one on")
    fzf = shutil.which("fzf")
    return _by_fzf(fzf, choices) if fzf else _by_number(choices)


def _by_fzf(fzf: str, choices: Sequence[str]) -> str:
    # fzf draws on /dev/tty by itself. NUL separates the names, since the keyboard can put anything else into one.
    chosen = subprocess.run(
        [fzf, "--read0", "--print0", "--no-multi", "--height=40%", "--reverse", "--prompt=profile> "],
        env=for_children(os.environ),
        input="\0".join(choices).encode("utf-8", "surrogateescape"),
        stdout=subprocess.PIPE,
        check=False,
    )
    name = os.fsdecode(chosen.stdout).rstrip("\0")
    if chosen.returncode in (_NO_MATCH, _INTERRUPTED) or not name:
        raise NeedsPersonError("no profile was chosen")
    return name


def _by_number(choices: Sequence[str]) -> str:
    """Asks for a number, a name or a part of one, and again with what still matches, until one is left."""
    shown = list(choices)
    while True:
        width = len(str(len(shown)))
        listing = "".join(f"{number:>{width}}  {printable(name)}\n" for number, name in enumerate(shown, 1))
        answer = terminal.ask(f"{listing}profile (number or part of the name): ").strip()
        if not answer:
            raise NeedsPersonError("no profile was chosen")
        if answer in choices:
            return answer
        if answer.isdecimal() and 1 <= int(answer) <= len(shown):
            return shown[int(answer) - 1]
        matching = [name for name in choices if answer.casefold() in name.casefold()]
        if len(matching) == 1:
            return matching[0]
        shown = matching or list(choices)
