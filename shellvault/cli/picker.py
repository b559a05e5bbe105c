"""Choosing one of a list on the terminal: by fzf where it is installed, else by questionary."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shellvault.cli import progress, terminal
from shellvault.cli.output import LeftError, printable
from shellvault.cli.tables import Row, aligned
from shellvault.errors import NeedsPersonError, UsageError
from shellvault.variables import for_children

#: fzf(1): nothing matched; interrupted by ^C or Esc.
_NO_MATCH, _INTERRUPTED = 1, 130


@dataclass(frozen=True, slots=True)
class Choice:
    """Something to choose, and what a person should know of it, column by column."""

    name: str
    about: Row = ()


def pick(choices: Sequence[Choice], what: str) -> str:
    """The name of what a person chooses, on the terminal itself: stdout belongs to the shell that evaluates it.

    `what` is one word for what is chosen. A choice that cannot stand on one line is left out.

    Raises:
        UsageError: there is nothing to choose from.
        NeedsPersonError: there is no terminal that can show a list.
        LeftError: nothing was chosen.
    """
    shown = [choice for choice in choices if choice.name and not {"\n", "\0", "\t"} & set(choice.name)]
    if not shown:
        raise UsageError(f"there is no {what} to choose from")
    if not terminal.is_available() or os.environ.get("TERM", "dumb") == "dumb":
        raise NeedsPersonError(f"name a {what}: there is no terminal to choose one on")
    lines = aligned([(printable(choice.name), *choice.about) for choice in shown])
    fzf = shutil.which("fzf")
    with progress.paused():
        index = _by_fzf(fzf, lines, what) if fzf else _by_questionary(lines, what)
    return shown[index].name


def _by_fzf(fzf: str, lines: Sequence[str], what: str) -> int:
    # fzf draws on /dev/tty by itself. It matches and shows what follows the number.
    options = ["--no-multi", "--height=40%", "--reverse", "--no-sort", "--delimiter=\t", "--with-nth=2.."]
    chosen = subprocess.run(
        [fzf, *options, f"--prompt={what}> "],
        env=for_children(os.environ),
        input="".join(f"{index}\t{line}\n" for index, line in enumerate(lines)).encode("utf-8", "replace"),
        stdout=subprocess.PIPE,
        check=False,
    )
    index = chosen.stdout.partition(b"\t")[0]
    if chosen.returncode in (_NO_MATCH, _INTERRUPTED) or not index.isdigit():
        raise LeftError
    return int(index)


def _by_questionary(lines: Sequence[str], what: str) -> int:
    import questionary
    from prompt_toolkit.input.vt100 import Vt100Input
    from prompt_toolkit.key_binding import KeyBindings, merge_key_bindings
    from prompt_toolkit.output.vt100 import Vt100_Output

    with (
        Path(terminal.path()).open(encoding="utf-8") as keyboard,
        Path(terminal.path()).open("w", encoding="utf-8") as screen,
    ):
        question = questionary.select(
            what,
            [questionary.Choice(line, value=index) for index, line in enumerate(lines)],
            qmark="",
            pointer=">",
            instruction="(type to filter, Esc leaves)",
            use_jk_keys=False,
            use_search_filter=True,
            erase_when_done=True,
            input=Vt100Input(keyboard),
            output=Vt100_Output.from_pty(screen, term=os.environ.get("TERM")),
        )
        leaving = KeyBindings()
        leaving.add("escape")(lambda event: event.app.exit(exception=KeyboardInterrupt))
        asked = question.application
        asked.key_bindings = merge_key_bindings(
            [bindings for bindings in (asked.key_bindings, leaving) if bindings]
        )
        asked.ttimeoutlen = 0.1
        try:
            index: int = question.unsafe_ask()
        except (KeyboardInterrupt, EOFError):
            raise LeftError from None
    return index
