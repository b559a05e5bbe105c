"""Warm commands as a person and as a coding agent below a lease: what looking at the caller costs."""

import json
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from scripts.bench_report import Row
from scripts.measuring import interleaved, program, ratio
from tests.support.home import Home
from tests.support.terminal import terminal

ROOT = Path(__file__).parents[1]

COMMANDS = {"env": ("env", "work", "--shell", "bash"), "exec": ("exec", "work", "--", "/bin/true")}
LEASE = "shellvault exec --lease 1h --full work -- env CLAUDECODE=1 "


def rows(home: Home, rounds: int) -> Iterator[Row]:
    """Has a person's terminal start the measuring, itself and by a lease."""
    place = home.path / "callers.json"
    words = [sys.executable, "-m", "scripts.bench_callers", str(max(rounds // 2, 3)), str(place)]
    with terminal(home, "bash", f"cd {shlex.quote(str(ROOT))}") as one:
        for name, lead in (("a person", ""), ("a coding agent with a lease", LEASE)):
            one.run(f"{lead}{shlex.join(words)}")
            for command, times in json.loads(place.read_text()).items():
                title = f"warm `{command}` as {name}"
                yield Row(title, f"{times:.2f} F", "1.7 F", times <= 1.7, "1.00 F", times)
            place.unlink()


def measure(rounds: int, place: Path) -> None:
    """Measures as the kind of caller that this process is."""
    environment = dict(os.environ)
    cases = {
        "F": program(sys.executable, "-I", "-S", "-c", "pass", environment=environment),
        "true": program("/bin/true", environment=environment),
    }
    cases |= {
        name: program("shellvault", *words, environment=environment) for name, words in COMMANDS.items()
    }
    taken = interleaved(cases, rounds)
    taken["exec"] = [one - other for one, other in zip(taken["exec"], taken["true"], strict=True)]
    place.write_text(json.dumps({name: ratio(taken[name], taken["F"]) for name in COMMANDS}))


if __name__ == "__main__":
    measure(int(sys.argv[1]), Path(sys.argv[2]))
