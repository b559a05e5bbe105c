"""Where slow commands spend their time: what they import, by package (python -X importtime)."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence

from tests.support.home import Home
from tests.support.installation import Installation

#: Commands that take more than a few F.
COMMANDS: Sequence[Sequence[str]] = (
    ("status",),
    ("agent", "status"),
    ("config",),
    ("list",),
    ("why", "work"),
    ("exec", "--server", "work", "--", "/bin/true"),
)

#: What a worker does before its first job.
WORKER = "from shellvault.worker import job, main, modules; modules.load()"

#: Runs of each, of which each module's quickest import counts; and packages that are named.
RUNS, NAMED = 4, 5

_LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s*(\S+)")


def table(home: Home, installation: Installation) -> str:
    """A Markdown table: each command, what its imports take, and which packages."""
    python = (str(installation.python), "-I", "-X", "importtime")
    door = str(installation.package / "__main__.py")
    runs = {f"`{' '.join(words)}`": (*python, "-S", door, *words) for words in COMMANDS}
    runs["a worker, before its first job"] = (*python, "-c", WORKER)
    rows = [f"| {name} | {_shown(command, home.environment)} |" for name, command in runs.items()]
    return "\n".join(("| what | imports: all; the largest packages |", "|---|---|", *rows))


def _shown(command: Sequence[str], environment: Mapping[str, str]) -> str:
    modules: dict[str, int] = {}
    for _ in range(RUNS):
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
        )
        for microseconds, name in _LINE.findall(done.stderr):
            modules[name] = min(int(microseconds), modules.get(name, sys.maxsize))
    packages: Counter[str] = Counter()
    for name, microseconds in modules.items():
        package = name.partition(".")[0]
        packages["Python's own" if package in sys.stdlib_module_names else package] += microseconds
    most = [(name, taken) for name, taken in packages.most_common(NAMED) if taken >= 1000]
    largest = ", ".join(f"{name} {taken / 1000:.0f}" for name, taken in most)
    return f"{packages.total() / 1000:.0f} ms, {len(modules)} modules; {largest} ms"
