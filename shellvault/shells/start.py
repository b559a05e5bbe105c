"""What `init --install` leaves: a line that reads a kept text, so that a shell starts no process for it.

The line reads a file of the state directory only if it belongs to this user, is no link, and has the program's
time, to the nanosecond (fish: second). Only its owner can set a file's times back (utimensat(2)). So a text that
another user has written to is not read, also where a shell cannot see which users may write. A replaced program has
another time, and the text is made again. Each program and each set of options has its own file; so has each of
two machines that share a home.
"""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from shellvault import files, locations
from shellvault.errors import ShellvaultError
from shellvault.shells import model, render
from shellvault.shells.init import MOST_KEPT, InitOptions, file_text, init_text, init_words
from shellvault.shells.lines import word
from shellvault.shells.quote import quote

#: The folder in the state directory.
FOLDER = "start"

#: Bytes of config.toml up to which a text is kept, since the text holds them.
SETTINGS_LIMIT = 16384


def program(environment: Mapping[str, str]) -> str | None:
    """The installed command as a start-up file names it; None where there is none, and on Windows."""
    if sys.platform == "win32":
        return None
    found = shutil.which("shellvault", path=environment.get("PATH"))
    own = locations.PYTHON.parent / "shellvault"
    if own.exists() and (found is None or not own.samefile(found)):
        return str(own)
    # By a relative entry of PATH it would be another program in another folder. A link of the user's stays one.
    return found if found and os.path.isabs(found) else None  # noqa: PTH117


def line(shell: str, path: str, words: Sequence[str], environment: Mapping[str, str]) -> str:
    """The line for the start-up file; `path` is the program, `words` are the options of `init`."""
    home = str(model.home(environment))
    folder = str(locations.state_directory(environment) / FOLDER)
    return render.snippet(
        shell,
        "line",
        folder=_from_home(shell, folder, home),
        program=_from_home(shell, path, home),
        words="".join(f" {word(shell, option)}" for option in words),
    ).rstrip("\n")


def start_text(shell: str, options: InitOptions, path: str, environment: Mapping[str, str]) -> str:
    """The text of `init` for the line that names the program `path`, kept for the next shell where that can be.

    Raises what `init_text` raises.
    """
    # Before anything that the text depends on is read: a change in between makes it outdated.
    try:
        status, script = os.stat(path), os.stat(locations.DOOR)  # noqa: PTH116 - one call each
        settings = _settings(locations.config_file(environment))
    except (OSError, ValueError):
        return init_text(shell, options, environment)
    text = init_text(shell, options, environment)
    in_file = file_text(shell, options, environment) if shell == "zsh" else text
    words = [shell, *init_words(options)]
    name = " ".join([path, *words]).replace("/", "%") + f".{script.st_ino}"
    kept = _with_checks(shell, in_file, path, words, settings, environment)
    with suppress(OSError, ShellvaultError):
        file = locations.private_directory(locations.state_directory(environment) / FOLDER) / name
        if file.is_symlink():
            file.unlink()
        files.replace(file, kept.encode("utf-8", "surrogateescape"), 0o600)
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
        files.keep_newest(file.parent, MOST_KEPT)
    return text


def _with_checks(
    shell: str,
    text: str,
    path: str,
    words: Sequence[str],
    settings: str | None,
    environment: Mapping[str, str],
) -> str:
    """The text, after the checks that it is still up to date."""
    quoted = {
        "program": path,
        "real": os.path.realpath(path),
        "config_home": environment.get("XDG_CONFIG_HOME", ""),
        "state_home": environment.get("XDG_STATE_HOME", ""),
        "settings_file": str(locations.config_file(environment)),
    }
    return render.snippet(
        shell,
        "start",
        **render.starting(shell),
        **{name: quote(shell, value) for name, value in quoted.items()},
        words=" ".join(word(shell, option) for option in words),
        target=_target(path),
        settings=settings,
        init=text,
    )


def _settings(path: Path) -> str | None:
    """The whole text of config.toml, None where there is none. Raises OSError, and ValueError for what is too long."""
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        return None
    if len(text) > SETTINGS_LIMIT:
        raise ValueError(path)
    return text


def _target(path: str) -> str:
    """What .NET's ResolveLinkTarget makes of a path: where the last link leads, "" for no link."""
    target = path
    while os.path.islink(target):  # noqa: PTH114 - pathlib has no normpath
        target = os.path.normpath(os.path.join(os.path.dirname(target), os.readlink(target)))  # noqa: PTH115, PTH118, PTH120
    return "" if target == path else target


def _from_home(shell: str, path: str, home: str) -> str:
    """A path as one word, shortened in the home."""
    if not path.startswith(f"{home}/"):
        return word(shell, path) if shell != "powershell" else quote(shell, path)
    rest = path.removeprefix(home)
    return f"($HOME + {quote(shell, rest)})" if shell == "powershell" else f"~/{word(shell, rest[1:])}"
