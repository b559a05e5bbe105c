"""The one line in a shell's start-up file that runs `shellvault init`: written once, taken away again."""

import re
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from shellvault import files
from shellvault.errors import ShellvaultError
from shellvault.shells import SET_UP

_RUNS_INIT = re.compile(r"^[^#\r\n]*\bshellvault(?:\.cmd)?[\"']?\s+init\b", re.MULTILINE)

_BACKUP_SUFFIX = ".before-shellvault"


def runs_init(text: str) -> bool:
    """Whether an active line of a start-up file runs `shellvault init`, in whatever form."""
    return _RUNS_INIT.search(text) is not None


def init_line(shell: str, options: Sequence[str]) -> str:
    """The line that runs `init` with `options` (words of its command line)."""
    return SET_UP[shell].line.format("".join(f" {shlex.quote(option)}" for option in options))


def install(path: Path, line: str) -> Path | None:
    """Appends `line` to `path` and returns the backup, or None if such a line is there already.

    Without a file before there is no backup, and `path` itself is returned.

    Everything else in the file stays byte for byte, its mode too, and a symlink is followed.
    Raises ShellvaultError when the file cannot be read or written.
    """
    text = _read(path)
    if text is not None and runs_init(text):
        return None
    newline = "\r\n" if text and "\r\n" in text else "\n"
    before = text or ""
    if before and not before.endswith("\n"):
        before += newline
    return _write(path, text, before + line + newline)


def uninstall(path: Path, shell: str) -> Path | None:
    """Takes our lines out of `path` and returns the backup, None if there are none.

    Raises ShellvaultError when the file cannot be read or written.
    """
    text = _read(path) or ""
    start, end = (re.escape(part) for part in SET_UP[shell].line.split("{}"))
    kept = re.sub(rf"^{start}(?: [^\r\n]*)?{end}\r?\n?", "", text, flags=re.MULTILINE)
    return None if kept == text else _write(path, text, kept)


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
