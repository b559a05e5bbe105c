"""Choosing from a list on the terminal: with fzf if it is installed, else with our own list.

A dumb terminal cannot draw either: there the lines are numbered, and a number or name is asked for.
In both lists, a line that contains the typed text comes before one that only has the same letters.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from shellvault.dialogue import progress, terminal
from shellvault.dialogue.output import LeftError
from shellvault.dialogue.tables import Row, aligned
from shellvault.display import printable
from shellvault.errors import NeedsPersonError, UsageError
from shellvault.variables import for_children

#: fzf(1): nothing matched; interrupted by ^C or Esc.
_NO_MATCH, _INTERRUPTED = 1, 130

#: What FZF_DEFAULT_OPTS must not change: words as they are typed (`'word` for letters with gaps), the best match first,
#: of equal ones that in the shorter word, then our own order.
_FZF_RANKING = (
    "--exact",
    "--extended",
    "--enabled",
    "-i",
    "--sort",
    "--no-tac",
    "--nth=..",
    "--tiebreak=chunk,index",
)


@dataclass(frozen=True, slots=True)
class Choice:
    """An item to choose, and its description, column by column."""

    name: str
    about: Row = ()


def pick(choices: Sequence[Choice], what: str) -> str:
    """The name of the chosen item. Asks on the terminal: stdout belongs to the shell that evaluates it.

    `what` is one word for the kind of item. An item that does not fit on one line is left out.

    Raises:
        UsageError: there is nothing to choose from.
        NeedsPersonError: there is no terminal.
        LeftError: nothing was chosen.
    """
    shown = [choice for choice in choices if choice.name and not {"\n", "\0", "\t"} & set(choice.name)]
    if not shown:
        raise UsageError(f"there is no {what} to choose from")
    if not terminal.is_available():
        article = "an" if what[0] in "aeiou" else "a"
        raise NeedsPersonError(f"name {article} {what}: there is no terminal to choose one on")
    lines = aligned([(printable(choice.name, None), *choice.about) for choice in shown])
    if os.environ.get("TERM", "dumb") == "dumb":
        with progress.paused():
            return _by_number(lines, [choice.name for choice in shown], what)
    fzf = shutil.which("fzf")
    with progress.paused():
        index = _by_fzf(fzf, lines, what) if fzf and _can_rank(fzf) else _by_own_list(lines, what)
    return shown[index].name


def _can_rank(fzf: str) -> bool:
    """Whether this fzf knows the options; versions before 0.33 do not."""
    tried = subprocess.run(
        [fzf, *_FZF_RANKING, "--filter=x"],
        env=for_children(os.environ),
        capture_output=True,
        input=b"",
        check=False,
    )
    return tried.returncode in (0, _NO_MATCH)


def _by_fzf(fzf: str, lines: Sequence[str], what: str) -> int:
    # fzf draws on /dev/tty. It matches and shows the text after the number.
    options = ["--no-multi", "--height=40%", "--reverse", "--delimiter=\t", "--with-nth=2.."]
    chosen = subprocess.run(
        [fzf, *options, *_FZF_RANKING, f"--prompt={what}> "],
        env=for_children(os.environ),
        input="".join(f"{index}\t{line}\n" for index, line in enumerate(lines)).encode("utf-8", "replace"),
        stdout=subprocess.PIPE,
        check=False,
    )
    index = chosen.stdout.partition(b"\t")[0]
    if chosen.returncode in (_NO_MATCH, _INTERRUPTED) or not index.isdigit():
        raise LeftError
    return int(index)


def _by_own_list(lines: Sequence[str], what: str) -> int:
    from shellvault.dialogue import choice_list

    return choice_list.choose(lines, what)


def _by_number(lines: Sequence[str], names: Sequence[str], what: str) -> str:
    numbered = {str(number): name for number, name in enumerate(names, 1)}
    answers = numbered | {name: name for name in names}
    terminal.write("".join(f"{number:>3}  {line}\n" for number, line in enumerate(lines, 1)))
    # Only a name is shown: a secret may be pasted here too late.
    while answer := terminal.ask(
        f"{what} (number or name, blank: none): ", shown=answers.__contains__
    ).strip():
        if answer in answers:
            return answers[answer]
        terminal.write(f"there is no such {what}\n")
    raise LeftError
