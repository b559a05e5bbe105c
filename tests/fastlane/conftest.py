"""The fast lane in a package of its own, whose full command line only says that it was reached."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from shellvault.fastlane.commands import kept_name
from tests.fastlane.agent_stand_in import StandIn, standing_in

PACKAGE = Path(__file__).parents[2] / "shellvault"

#: Exit status of the stand-in for the full command line, which prints its arguments, NUL-separated.
FULL = 42
FULL_COMMAND_LINE = """
import os, sys
def main():
    os.write(1, b"full:" + b"\\0".join(map(os.fsencode, sys.argv[1:])))
    os._exit(42)
"""


@dataclass(frozen=True)
class Lane:
    """The fast lane and the environment that it runs in; tests change the environment."""

    script: Path
    environment: dict[str, str]
    directory: Path

    def command(self, *arguments: str | bytes) -> list[str | bytes]:
        """What the launcher runs for these arguments."""
        return [sys.executable, "-I", "-S", str(self.script), *arguments]

    def run(self, *arguments: str | bytes, timeout: float = 20) -> subprocess.CompletedProcess[bytes]:
        """Runs the command line to its end."""
        return subprocess.run(
            self.command(*arguments),
            env=self.environment,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
        )

    def misses(self, *arguments: str) -> bool:
        """Whether the full command line runs, with exactly these arguments and nothing written before."""
        done = self.run(*arguments)
        assert done.stderr == b""
        return (done.returncode, done.stdout) == (FULL, b"full:" + "\0".join(arguments).encode())


def belonging_to(script: Path, text: bytes, python: str = sys.executable, settings: bytes = b"") -> bytes:
    """A kept text as the full command line writes it: behind the interpreter and the script that it starts.

    `settings` is the stamp of config.toml; empty: there was none.
    """
    return b"\0".join((os.fsencode(python), os.fsencode(script), settings, text))


def keep_hooks(folder: Path, package: Path) -> None:
    """Keeps what `env` brings along, as the full command line does: here one line."""
    folder.mkdir(parents=True)
    for shell in ("bash", "fish", "powershell", "zsh"):
        hook = belonging_to(package / "__main__.py", b"# the hook\n")
        (folder / kept_name(shell, str(package / "__main__.py"), [])).write_bytes(hook)


@pytest.fixture
def lane(tmp_path: Path) -> Lane:
    """A fast lane whose agent does not run."""
    package = tmp_path / "somewhere else" / "shellvault"
    (package / "cli").mkdir(parents=True)
    for name in ("__init__.py", "__main__.py"):
        shutil.copy(PACKAGE / name, package)
    shutil.copytree(PACKAGE / "fastlane", package / "fastlane", ignore=shutil.ignore_patterns("__pycache__"))
    (package / "cli" / "__init__.py").touch()
    (package / "cli" / "door.py").write_text(FULL_COMMAND_LINE)
    runtime = tmp_path / "run"
    runtime.mkdir()
    keep_hooks(tmp_path / ".local" / "state" / "shellvault" / "hook", package)
    environment = {
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "PATH": os.environ["PATH"],
        "XDG_RUNTIME_DIR": str(runtime),
    }
    return Lane(package / "__main__.py", environment, tmp_path)


@pytest.fixture
def agent(lane: Lane) -> Iterator[StandIn]:
    """An agent that has every session: it answers with the format that was asked for."""

    def answer(line: str) -> bytes:
        return b"ok\ntext of " + line.split(" ")[3].encode() + b"\n"

    with standing_in(
        Path(lane.environment["XDG_RUNTIME_DIR"]) / "shellvault" / "agent.sock", answer
    ) as running:
        yield running
