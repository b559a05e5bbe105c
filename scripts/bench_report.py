"""The table of measurements in docs/benchmarks.md, and the machine it was made on."""

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

RESULT = Path(__file__).parents[1] / "docs" / "benchmarks.md"

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
"""


@dataclass(frozen=True)
class Row:
    """One line of the table; `budget` is empty where there is none."""

    what: str
    measured: str
    budget: str
    within: bool


def show(row: Row) -> None:
    """Prints a measurement as soon as it is made."""
    verdict = "" if not row.budget else "   ok" if row.within else "   EXCEEDED"
    print(f"{row.what:55} {row.measured:38} {row.budget}{verdict}", flush=True)


def write(rows: Sequence[Row], rounds: int) -> None:
    """Writes the whole file."""
    lines = ["| what | measured | budget | within |", "|---|---|---|---|"]
    for row in rows:
        verdict = "" if not row.budget else "yes" if row.within else "**no**"
        lines.append(f"| {row.what} | {row.measured} | {row.budget} | {verdict} |")
    table = "\n".join(lines)
    RESULT.write_text(f"{INTRODUCTION.format(rounds=rounds)}\n{table}\n\n{machine()}\n", encoding="utf-8")


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
