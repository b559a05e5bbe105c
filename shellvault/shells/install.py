"""The one line in a shell's start-up file that runs `shellvault init`: written once, taken away again."""

import re
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from shellvault import files
from shellvault.errors import ShellvaultError
from shellvault.shells import SET_UP

_RUNS_INIT = re.compile(
    r"^[^#\r\n]*(?:\bshellvault(?:\.cmd)?[\"']?\s+init\b|\binit\b[^\r\n]* --start )", re.MULTILINE
)

#: The line that reads a kept text (`shells/NAME/line.jinja`).
_STARTS = r"^(?!\s*#)[^\r\n]*\binit\b[^\r\n]* --start [^\r\n]*shellvault[^\r\n]*(?:\r?\n)?"

_BACKUP_SUFFIX = ".before-shellvault"


def runs_init(text: str) -> bool:
    """Whether an active line of a start-up file runs `shellvault init`, in whatever form."""
    return _RUNS_INIT.search(text) is not None


def init_line(shell: str, options: Sequence[str]) -> str:
    """The line that runs `init` with `options` (words of its command line)."""
    return SET_UP[shell].line.format("".join(f" {shlex.quote(option)}" for option in options))


def evaluated_options(text: str, shell: str) -> str | None:
    """The options of a line that an earlier `init --install` wrote, which starts a process; None without one."""
    found = re.search(_evaluates(shell), text, re.MULTILINE)
    return found and (found[1] or "").strip()


def install(path: Path, shell: str, line: str) -> Path | None:
    """Puts `line` into `path` and returns the backup; None if it is there already, or a person has written another.

    What an earlier `init --install` wrote is replaced. Without a file before there is no backup, and `path` itself is
    returned. Everything else in the file stays byte for byte, its mode too, and a symlink is followed.
    Raises ShellvaultError when the file cannot be read or written.
    """
    text = _read(path)
    before = text or ""
    if line in before.splitlines() or runs_init(_without_ours(before, shell)):
        return None
    newline = "\r\n" if "\r\n" in before else "\n"
    ours = re.search(_ours(shell), before, re.MULTILINE)
    if ours:
        after = before[: ours.start()] + line + newline + _without_ours(before[ours.end() :], shell)
    else:
        after = before + (newline if before and not before.endswith("\n") else "") + line + newline
    return _write(path, text, after)


def uninstall(path: Path, shell: str) -> Path | None:
    """Takes our lines out of `path` and returns the backup, None if there are none.

    Raises ShellvaultError when the file cannot be read or written.
    """
    text = _read(path) or ""
    kept = _without_ours(text, shell)
    return None if kept == text else _write(path, text, kept)


def _without_ours(text: str, shell: str) -> str:
    return re.sub(_ours(shell), "", text, flags=re.MULTILINE)


def _ours(shell: str) -> str:
    return f"{_evaluates(shell)}|{_STARTS}"


def _evaluates(shell: str) -> str:
    start, end = (re.escape(part) for part in SET_UP[shell].line.split("{}"))
    return rf"^{start}( [^\r\n]*)?{end}(?:\r?\n)?"


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ShellvaultError(f"{str(path)!a} cannot be read ({error.strerror})") from error


def _write(path: Path, before: str | None, after: str) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        backup = path
        if before is not None:
            backup = path.with_name(path.name + _BACKUP_SUFFIX)
            shutil.copy2(path, backup)
        mode = path.stat().st_mode & 0o7777 if before is not None else 0o644
        files.replace(path, after.encode("utf-8", "surrogateescape"), mode)
    except OSError as error:
        raise ShellvaultError(
            f"{str(path)!a} cannot be written ({error.strerror}): add the line yourself"
        ) from error
    return backup
