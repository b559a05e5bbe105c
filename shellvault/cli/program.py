"""The program that a session is for: its environment, and how this process becomes it or has it run below."""

import os
import shutil
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from shellvault.cli import child
from shellvault.dialogue import output
from shellvault.variables import Change, for_children


def or_shell(
    program: list[str], environment: dict[str, str], profile: str
) -> tuple[list[str], dict[str, str]]:
    """The program; without one the user's shell, with the environment that it needs."""
    if program:
        return program, environment
    from shellvault.shells import interactive

    program, needed = interactive.command(interactive.find(environment), environment)
    if sys.stderr.isatty() and environment.get("AWS_VAULT_DISABLE_HELP_MESSAGE") != "1":
        output.note(f"a shell with the session of {profile}: `exit` ends it")
    return program, environment | needed


def apply(change: Change, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment after the change, without what only shellvault may read."""
    # What the profile of the session before has set is not for this one.
    left_out = {*change.unset, *environment.get("SHELLVAULT_VARIABLES", "").split()}
    kept = {name: value for name, value in for_children(environment).items() if name not in left_out}
    return kept | dict(change.set)


def run(program: list[str], environment: Mapping[str, str], mask: set[int] | None = None) -> int:
    """Becomes the program. Returns only when it cannot: 127 not found, 126 not runnable (POSIX sh).

    With `mask`, from `parent.holding_signals`, it runs as a child; its exit status.
    """
    name = program[0]
    path = name if "/" in name else shutil.which(name, path=environment.get("PATH", os.defpath))
    if not path:
        if _on_path(name, environment):
            output.complain(f"{name}: found on PATH but not executable: chmod +x it, or name another command")
            return 126
        output.complain(f"{name}: command not found on PATH")
        return 127
    return replace(path, program, environment, mask)


def replace(
    path: str, program: list[str], environment: Mapping[str, str], mask: set[int] | None = None
) -> int:
    """The same for the program in the file `path`."""
    try:
        if mask is not None:
            return child.run(path, program, environment, mask)
        # Python ignores these, and a program would inherit that.
        for number in child.IGNORED_BY_PYTHON:
            signal.signal(number, signal.SIG_DFL)
        os.execve(path, program, environment)  # noqa: S606 - no shell is the point
    except (FileNotFoundError, NotADirectoryError):
        output.complain(f"{path}: no such command, or the interpreter it names is missing")
        return 127
    except OSError as error:
        output.complain(f"{path}: cannot be run: {error.strerror}")
        return 126


def _on_path(name: str, environment: Mapping[str, str]) -> bool:
    directories = environment.get("PATH", os.defpath).split(os.pathsep)
    return any((Path(directory or ".") / name).is_file() for directory in directories)
