"""One record for each shell, made by `bash.py`, `fish.py` and so on; its templates are in `shells/NAME/`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Shell:
    """One shell. Its text is rendered from the templates in `shells/NAME/`."""

    name: str
    executables: tuple[str, ...]
    """The names of its programs, without versions."""
    quote: Callable[[str], str]
    """Any text without NUL as one word (PowerShell: one expression)."""
    evaluated: str
    """How its user evaluates the output of a command; `{}` stands for the command."""
    exported: str
    """How a variable is exported: `{name}`, `{value}`."""
    unset: str
    """How a variable is unset: `{name}`."""
    set_up: "SetUp | None" = None
    """What `init` needs to know; None for a shell without a hook."""
    holds_bytes: bool = True
    """Whether its strings hold any bytes (else: characters only)."""


@dataclass(frozen=True, slots=True)
class SetUp:
    """How a shell is set up: its start-up file, and how `exec NAME` opens it with a session."""

    start_up_file: Callable[[Mapping[str, str]], Path]
    """The file that an interactive shell of this user reads at every start; it need not exist."""
    line: str
    """The line in it that runs `init`; `{}` stands for the options."""
    opened: Callable[[str, str, Path, Mapping[str, str]], tuple[list[str], dict[str, str]]]
    """The command line that opens the program (a path) with a text, which may be put into the folder.

    With it, what it needs in its environment besides this one.
    """


def home(environment: Mapping[str, str]) -> Path:
    """The home of the user."""
    return Path(environment.get("HOME") or Path.home())


def configuration(environment: Mapping[str, str]) -> Path:
    """The folder for settings (XDG Base Directory Specification)."""
    folder = environment.get("XDG_CONFIG_HOME", "")
    return Path(folder) if Path(folder).is_absolute() else home(environment) / ".config"
