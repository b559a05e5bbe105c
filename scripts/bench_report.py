"""The table of measurements in docs/benchmarks.md, the machine it was made on, and what has become slower since."""

import json
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

RESULT = Path(__file__).parents[1] / "docs" / "benchmarks.md"

#: What each row was when that was last recorded, in units that hardly depend on the machine (`Row.figure`).
RECORD = RESULT.with_suffix(".json")

#: How many times the recorded figure a row may be before it is named.
SLOWER = 4 / 3

INTRODUCTION = """\
# Benchmarks

Written by `make bench`; do not edit. What is measured is a wheel, installed in an environment of its own. F
is the time of `python -I -S -c pass` with the same interpreter; every multiple of F comes from runs in turns
with it (median of the ratios of {rounds} rounds). STS is ministack on the loopback interface with signatures
checked: its own time is in the row "the STS round trip". A shell's numbers are a loop timed from outside,
less the same loop with an empty function, after 20 turns that do not count (.NET compiles what is used
often); at a prompt it is the hook's function alone, and a refresh sets all variables, to what they are. "For
scale" rows are other tools' hooks, measured the same way. Times differ by 30 % between moments of one
machine, and double when it is busy (see the load average below); the ratios hardly.

A floor is what the shell itself takes for the same with nothing of ours in it, in the same turns: to capture
the output of a bare interpreter (bash, fish), to ask the agent's socket and read an answer (zsh, PowerShell),
to read a text that defines one function, wraps the prompt and registers a completer, all empty (PowerShell's
start). Where such a row has one, its budget is that floor and a stated allowance. The floor of a command is a bare
interpreter, and that of memory what bare interpreters occupy.

An exponent is that of a power of the size fitted to the times: 0 for a time that does not depend on the size, 1 for one
that grows as the size does. Other programs that give credentials run in turns with ours, "for scale" too.

`benchmarks.json` in this folder has each row as a multiple of F (memory: MiB) as it was when last recorded
(`--record`). A row of more than four thirds of that is named below the table, and at the end of `make bench`.
"""

IMPORTS = """\
## Where slow commands spend their time

Nearly all of it is Python loading modules: the quickest of four runs for each module. The measurement itself makes it
about a third more.
"""


@dataclass(frozen=True)
class Row:
    """One line of the table; `budget` is empty where there is none."""

    what: str
    measured: str
    budget: str
    within: bool
    floor: str = ""
    """What the shell itself takes for the same, where that is measured."""
    figure: float | None = None
    """What is measured as a multiple of F (or in MiB), to be compared with what was recorded."""


def show(row: Row) -> None:
    """Prints a measurement as soon as it is made."""
    verdict = "" if not row.budget else "   ok" if row.within else "   EXCEEDED"
    floor = f" (floor {row.floor})" if row.floor else ""
    print(f"{row.what:55} {row.measured + floor:38} {row.budget}{verdict}", flush=True)


def slower(rows: Sequence[Row]) -> list[str]:
    """A line for each row that has become slower by more than a third since it was recorded."""
    recorded = _recorded()
    return [
        f"{row.what}: {row.figure / recorded[row.what]:.2f} times what was recorded"
        for row in rows
        if row.figure is not None and row.figure > recorded.get(row.what, row.figure) * SLOWER
    ]


def record(rows: Sequence[Row], *, again: bool) -> None:
    """Records the rows that are not recorded yet; with `again`, all rows."""
    measured = {row.what: round(row.figure, 4) for row in rows if row.figure is not None}
    kept = measured if again else measured | _recorded()
    RECORD.write_text(
        json.dumps({what: kept[what] for what in sorted(kept)}, indent=1) + "\n", encoding="utf-8"
    )


def _recorded() -> dict[str, float]:
    try:
        recorded: dict[str, float] = json.loads(RECORD.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    return {what: figure for what, figure in recorded.items() if figure > 0}


def write(rows: Sequence[Row], rounds: int, imports: str) -> None:
    """Writes the whole table, and the one of what slow commands import."""
    lines = ["| what | measured | floor | budget | within |", "|---|---|---|---|---|"]
    for row in rows:
        verdict = "" if not row.budget else "yes" if row.within else "**no**"
        lines.append(f"| {row.what} | {row.measured} | {row.floor} | {row.budget} | {verdict} |")
    table = "\n".join(lines)
    named = "".join(f"- {line}\n" for line in slower(rows))
    since = f"Slower than recorded by more than a third:\n\n{named}\n" if named else ""
    text = f"{INTRODUCTION.format(rounds=rounds)}\n{table}\n\n{since}{machine()}\n\n{IMPORTS}\n{imports}\n"
    RESULT.write_text(text, encoding="utf-8")


def machine() -> str:
    """What the numbers depend on."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    versions = [_version(*command) for command in (("bash",), ("zsh",), ("fish",), ("direnv",), ("zoxide",))]
    return (
        f"Machine: {os.cpu_count()} cores ({models[0] if models else platform.machine()}), "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, "
        f"load average {os.getloadavg()[1]:.1f}; "
        + ", ".join(version for version in versions if version)
        + "."
    )


def _version(program: str) -> str:
    """A program's name and version, from the first line that it prints; empty without the program."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    found = re.search(r"\d[\d.]*\d", done.stdout)
    return f"{program} {found.group() if found else ''}"
