"""The shell that `exec NAME` opens: the user's own, with hook and segment unless their start-up files add them."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from shellvault import locations, settings
from shellvault.errors import ShellvaultError, UsageError
from shellvault.shells import HOOKED, SET_UP, detect, render
from shellvault.shells.init import InitOptions, render_init

#: No wrapper and no completions: those come only with `init`.
_OPTIONS = InitOptions(wrap=())


#: The login shells of accounts without a login.
_NO_SHELLS = ("false", "nologin", "true")


@dataclass(frozen=True, slots=True)
class Shell:
    """The user's shell: its program, and which of `shells.HOOKED` it is ("" for another, or without a terminal)."""

    path: str
    name: str


def find(environment: Mapping[str, str]) -> Shell:
    """The shell of SHELL, else of the user's account."""
    path = environment.get("SHELL") or _login_shell()
    name = detect.name_of(path)
    return Shell(path, name if name in HOOKED and os.isatty(0) else "")


def command(shell: Shell, environment: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Its command line, and what it needs in its environment besides the session.

    Raises UsageError for what stands in a shell's place and is none.
    """
    if Path(shell.path).name in _NO_SHELLS:
        raise UsageError(f"{shell.path} opens no shell: name a command behind `--`, or set SHELL")
    if shell.name:
        # Without the preparation it starts as usual.
        with suppress(OSError, ShellvaultError):
            return _with_session(shell.name, shell.path, environment)
    return [shell.path], {}


def _with_session(shell: str, path: str, environment: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    state = locations.state_directory(environment)
    patterns = settings.load(environment).production_patterns
    text = render.snippet(shell, "session", init=render_init(shell, _OPTIONS, state, patterns))
    return SET_UP[shell].opened(path, text, locations.private_directory(state / "session"), environment)


def _login_shell() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_shell or "/bin/sh"
    except KeyError:
        return "/bin/sh"
