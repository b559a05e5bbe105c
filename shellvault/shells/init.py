"""What a shell gets from `shellvault init`: the text, and the file that keeps it for the next shell.

The text is the same for every shell of one installation, so it is rendered once and kept in the state directory. The
fast lane prints the file of a plain `shellvault init SHELL` without asking here (`fastlane.commands.kept`).
"""

import hashlib
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from shellvault import __version__, files, locations
from shellvault.errors import ShellvaultError, UsageError
from shellvault.shells import render, shims
from shellvault.shells.quote import quote

#: Profile names that the segment shows in red, as patterns that all four shells read alike.
PRODUCTION = ("prod", "production", "prod-*", "prod_*", "*-prod", "*_prod", "*-prod-*", "*-production")

#: The folder in the state directory for what PowerShell's aliases stand for.
WRAPPERS = "wrappers"

#: What may stand unquoted as the name of a function in each of the shells.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class InitOptions:
    """What `init` is asked to put into the shell."""

    prompt: bool = True
    completions: bool = True
    wrap: tuple[str, ...] = ("aws",)
    """The programs to wrap; none with --no-wrapper."""
    command: str = "shellvault"
    """The name of the function."""


def init_text(shell: str, options: InitOptions, environment: Mapping[str, str]) -> str:
    """The text to evaluate; kept for the next shell, and as it was kept where only this installation can have done so.

    Raises:
        UsageError: a name that cannot be a function's.
        ShellvaultError: the state directory cannot be used.
    """
    _check_names(options)
    state = locations.state_directory(environment)
    kept = _kept_file(state, shell, options)
    if options != InitOptions() and kept.is_file():
        return kept.read_text("utf-8", "surrogateescape")
    if shell == "powershell":
        _write_wrappers(state, options.wrap)
    return _keep(kept, render_init(shell, options, state))


def render_init(shell: str, options: InitOptions, state: Path) -> str:
    """The text itself; `state` is where PowerShell, which cannot pass arguments on unchanged, finds its scripts."""
    completions = ""
    if options.completions:
        from shellvault.shells.completions import completion_text

        completions = completion_text(shell, options.command)
    return render.snippet(
        shell,
        "init",
        **_installation(shell),
        again=f"run `{options.command} use` with that name",
        brought=False,
        command=options.command,
        completions=completions,
        prompt=options.prompt,
        wrap=options.wrap,
        wrappers=quote(shell, str(state / WRAPPERS)),
        version=__version__,
    )


def _write_wrappers(state: Path, programs: tuple[str, ...]) -> None:
    folder = locations.private_directory(state / WRAPPERS)
    for program in programs:
        shims.add(folder, program)


def hook_text(shell: str) -> str:
    """The hook alone, for `env` to bring along where no `init` has run; it takes itself away after the session."""
    return render.snippet(
        shell,
        "hook",
        **_installation(shell),
        again="run `shellvault env` again",
        brought=True,
        prompt=False,
    )


def kept_hook_text(shell: str, environment: Mapping[str, str]) -> str:
    """`hook_text`, kept as `hook/<shell>-<version>` in the state directory, where the fast lane can find it."""
    state = locations.state_directory(environment)
    return _keep(state / "hook" / f"{shell}-{__version__}", hook_text(shell))


def kept_leave_text(shell: str, environment: Mapping[str, str]) -> str:
    """What `env --leave` prints, kept as `leave/<shell>-<version>` in the same way."""
    state = locations.state_directory(environment)
    return _keep(state / "leave" / f"{shell}-{__version__}", render.leave_snippet(shell))


def _keep(path: Path, text: str) -> str:
    """Keeps the text where that is possible. Where not, the next shell waits a little longer."""
    with suppress(OSError, ShellvaultError):
        locations.private_directory(path.parent)
        files.replace(path, text.encode("utf-8", "surrogateescape"), 0o600)
    return text


def _installation(shell: str) -> dict[str, object]:
    """The fast lane of this installation as words of the shell, and what else every template needs."""
    python, script = quote(shell, sys.executable), quote(shell, str(locations.DOOR))
    return {
        "python": python,
        "script": script,
        "fastlane": f"{python} -I -S {script}",
        "production": PRODUCTION,
    }


def _kept_file(state: Path, shell: str, options: InitOptions) -> Path:
    name = f"{shell}-{__version__}"
    if options != InitOptions():
        # Two installations of one version may share a home: the file says which one wrote it.
        name += (
            "-" + hashlib.sha256(repr((sys.executable, locations.DOOR, options)).encode()).hexdigest()[:16]
        )
    return state / "init" / name


def _check_names(options: InitOptions) -> None:
    for name in (options.command, *options.wrap):
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!a} cannot be a function's name: use letters, digits, `_`, `.` and `-`")
    if options.command in options.wrap:
        raise UsageError(
            f"{options.command!a} cannot be both the function and a wrapped program: choose another name"
        )
