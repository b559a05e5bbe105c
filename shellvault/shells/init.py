"""What a shell gets from `shellvault init`: the text, and the file that keeps it for the next shell.

The text is the same for every shell of one installation until the settings change, so it is rendered once and kept in
the state directory. The fast lane prints the file without asking here (`fastlane.commands.kept`).
"""

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from shellvault import __version__, files, locations, settings
from shellvault.errors import ShellvaultError, UsageError
from shellvault.shells import RECORDS, render, shims
from shellvault.shells.quote import quote

if TYPE_CHECKING:
    import click

#: The folder in the state directory for what PowerShell's aliases stand for.
WRAPPERS = "wrappers"

#: The folder in the state directory that fish searches first for completions.
COMPLETIONS = "completions"

#: Texts kept in one folder: those of a few installations, with every command's help at some widths of a screen.
MOST_KEPT = 200

#: What may stand unquoted as the name of a function in each of the shells.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class InitOptions:
    """What `init` is asked to put into the shell."""

    prompt: bool = True
    completions: "click.Command | None" = None
    """The command tree that completions are made from; without one there are none."""
    wrap: tuple[str, ...] = ("aws",)
    """The programs to wrap; none with --no-wrapper."""
    command: str = "shellvault"
    """The name of the function."""


def init_text(shell: str, options: InitOptions, environment: Mapping[str, str]) -> str:
    """The text to evaluate, kept for the next shell.

    Raises:
        UsageError: a name that cannot be a function's.
        ConfigError: the settings cannot be read or understood.
        ShellvaultError: the state directory cannot be used.
    """
    state = locations.state_directory(environment)
    stamp, text = _rendered(shell, options, environment, is_file=False)
    return keep(state, "init", shell, text, stamp, init_words(options))


def file_text(shell: str, options: InitOptions, environment: Mapping[str, str]) -> str:
    """`init_text` as the line of `init --install` reads it, from a file. Raises what `init_text` raises."""
    return _rendered(shell, options, environment, is_file=True)[1]


def _rendered(
    shell: str, options: InitOptions, environment: Mapping[str, str], *, is_file: bool
) -> tuple[str, str]:
    """The stamp of the settings, and the text that was made with them."""
    _check_names(options)
    state = locations.state_directory(environment)
    if shell == "powershell":
        options = replace(options, wrap=_written_wrappers(state, options.wrap))
    if shell == "fish" and options.completions:
        _shadow_generated(state)
    stamp, own = _settings(environment)
    text = render_init(
        shell, options, state, own.production_patterns, quiet=own.quiet, notice=own.notice, is_file=is_file
    )
    return stamp, text


def init_words(options: InitOptions) -> list[str]:
    """The options of `shellvault init` that mean `options`, as `init --install` writes them."""
    words = [] if options.prompt else ["--no-prompt"]
    words += [] if options.completions else ["--no-completions"]
    words += [word for name in options.wrap[1:] for word in ("--wrap", name)]
    words += [] if options.wrap else ["--no-wrapper"]
    return words + ([] if options.command == "shellvault" else ["--cmd", options.command])


def render_init(
    shell: str,
    options: InitOptions,
    state: Path,
    production: str | None = None,
    *,
    quiet: bool = False,
    notice: str = "none",
    is_file: bool = False,
) -> str:
    """The text itself.

    `state` is where PowerShell, which cannot pass arguments on unchanged, finds its scripts; `production` are the
    patterns of the settings (`Settings.production_patterns`), and `notice` is theirs; `is_file` is for the line of
    `init --install`.
    """
    completions = ""
    if options.completions:
        from shellvault.shells.completions import completion_text

        folder = quote(shell, str(state / COMPLETIONS))
        completions = completion_text(shell, options.completions, options.command, options.wrap, folder)
    return render.snippet(
        shell,
        "init",
        **render.starting(shell),
        again=(f"{options.command} use ", ""),
        brought=False,
        command=options.command,
        completions=completions,
        is_file=is_file,
        leave=f"{options.command} leave",
        production=production,
        notice=notice,
        quiet=quiet,
        prompt=options.prompt,
        wrap=options.wrap,
        wrappers=quote(shell, str(state / WRAPPERS)),
        version=__version__,
    )


def _written_wrappers(state: Path, programs: tuple[str, ...]) -> tuple[str, ...]:
    """The programs whose scripts are there: where nothing can be written, those from before.

    Raises ShellvaultError when a file that is not ours is in the way.
    """
    folder = state / WRAPPERS
    try:
        locations.private_directory(folder)
        for program in programs:
            shims.add(folder, program)
        return programs
    except ShellvaultError:
        there = tuple(program for program in programs if (folder / program).exists())
        if not all(shims.is_shim(folder / program) for program in there):
            raise
        return there


def _shadow_generated(state: Path) -> None:
    """Writes a file that fish finds before the one that it makes from our manual page (all options, everywhere).

    Where it cannot be written, fish shows both.
    """
    with suppress(OSError, ShellvaultError):
        folder = locations.private_directory(state / COMPLETIONS)
        files.replace(
            folder / "shellvault.fish", b"# The completions come from `shellvault init fish`.\n", 0o600
        )


def hook_text(shell: str, production: str | None = None, *, quiet: bool = False, notice: str = "none") -> str:
    """The hook alone, which `env` adds where no `init` has run; it removes itself after the session."""
    return render.snippet(
        shell,
        "hook",
        **render.starting(shell),
        again=RECORDS[shell].evaluated.replace("{}", "shellvault env {}").split("{}"),
        brought=True,
        leave="shellvault leave",
        command="shellvault",
        production=production,
        notice=notice,
        quiet=quiet,
        prompt=False,
    )


def kept_hook_text(shell: str, environment: Mapping[str, str]) -> str:
    """`hook_text`, kept as `hook`. Raises ConfigError and ShellvaultError."""
    stamp, own = _settings(environment)
    text = hook_text(shell, own.production_patterns, quiet=own.quiet, notice=own.notice)
    return keep(locations.state_directory(environment), "hook", shell, text, stamp)


def kept_leave_text(shell: str, environment: Mapping[str, str]) -> str:
    """What `env --leave` prints, kept as `leave` where the folder for it can be used."""
    # No setting changes this text.
    text, stamp = render.leave_snippet(shell), _settings_stamp(environment)
    with suppress(ShellvaultError):
        keep(locations.state_directory(environment), "leave", shell, text, stamp)
    return text


def keep_help(columns: int, words: Sequence[str], text: str, environment: Mapping[str, str]) -> None:
    """Caches a command's help (no words: all commands) for a screen width, where the folder can be used."""
    with suppress(ShellvaultError):
        keep(
            locations.state_directory(environment),
            "help",
            str(columns),
            text,
            _settings_stamp(environment),
            words,
        )


def keep(state: Path, what: str, shell: str, text: str, stamp: str, options: Sequence[str] = ()) -> str:
    """Keeps a text where the fast lane finds it, and returns it. On failure the next shell starts slower.

    The file is `WHAT/SHELL-VERSION-INODE OPTIONS` in the state directory (`fastlane.commands.kept_name`). Before the
    text stand the interpreter and the script that it starts and the stamp of the settings that it was made with, each
    ended by a NUL.
    """
    belongs_to = (os.fsencode(locations.PYTHON), os.fsencode(locations.DOOR), stamp.encode())
    content = b"\0".join((*belongs_to, text.encode("utf-8", "surrogateescape")))
    with suppress(ImportError, OSError, ShellvaultError):
        # Without POSIX there is no fast lane.
        from shellvault.fastlane.commands import kept_name

        folder = locations.private_directory(state / what)
        files.replace(folder / kept_name(shell, str(locations.DOOR), list(options)), content, 0o600)
        files.keep_newest(folder, MOST_KEPT)
    return text


def _settings(environment: Mapping[str, str]) -> tuple[str, settings.Settings]:
    """The stamp of the settings, and the settings. Raises ConfigError."""
    # Stamped before the read: a change in between makes the text outdated at once.
    stamp = _settings_stamp(environment)
    return stamp, settings.load(environment)


def _settings_stamp(environment: Mapping[str, str]) -> str:
    """The stamp of config.toml as `fastlane.commands.settings_stamp` writes it."""
    return " ".join(map(str, files.stamp(str(locations.config_file(environment))) or ()))


def _check_names(options: InitOptions) -> None:
    for name in (options.command, *options.wrap):
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!a} cannot be a function's name: use letters, digits, `_`, `.` and `-`")
    if options.command in options.wrap:
        raise UsageError(
            f"{options.command!a} cannot be both the function and a wrapped program: choose another name"
        )
