"""`shellvault exec`: one command with a session, by a real execve, so that nothing stays in between."""

import os
import shutil
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from shellvault.cli import broker, output
from shellvault.cli.options import Wish, link_option, server_option, session_options, wish
from shellvault.errors import NeedsPersonError
from shellvault.shells import forms
from shellvault.variables import Change, for_children


class CommandLine(click.Command):
    """`[OPTIONS] [NAME] [OPTIONS] [--] COMMAND…`: the command follows `--`, or else NAME."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Splits the command off before click sees its options."""
        if "--" in args:
            border = args.index("--")
            ours, program = args[:border], args[border + 1 :]
        else:
            ours, program = self._split_at_second_word(ctx, args)
        ctx.meta["program"] = program
        return super().parse_args(ctx, ours)

    def _split_at_second_word(self, ctx: click.Context, args: list[str]) -> tuple[list[str], list[str]]:
        takes_value = {
            name
            for option in self.get_params(ctx)
            if isinstance(option, click.Option) and not option.is_flag
            for name in option.opts
        }
        words, index = 0, 0
        while index < len(args):
            word = args[index]
            if not word.startswith("-"):
                words += 1
                if words == 2:
                    return args[:index], args[index:]
            elif word in takes_value:
                index += 1
            index += 1
        return args, []


@click.command(
    name="exec",
    cls=CommandLine,
    options_metavar="[OPTIONS] [NAME] [-- COMMAND [ARGUMENTS]...]",
)
@click.argument("name", required=False, metavar="")
@server_option
@click.option(
    "--profile-env",
    is_flag=True,
    envvar=["SHELLVAULT_PROFILE_ENV", "AWS_VAULT_PROFILE_ENV"],
    help="Get the session, and give COMMAND its name in AWS_PROFILE instead of it.",
)
@click.option("-j", "--json", "as_json", is_flag=True, hidden=True)
@link_option
@session_options
@click.pass_context
def command(
    context: click.Context,
    /,
    name: str | None,
    server: bool,
    profile_env: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """Run COMMAND with a session of profile NAME in its environment; without COMMAND, your shell.

    NAME defaults to AWS_PROFILE. Options go before the `--`.
    """
    program: list[str] = context.meta["program"]
    try:
        asked = wish(name, given)
    except NeedsPersonError as error:
        raise NeedsPersonError(
            f"a profile is missing: `shellvault exec NAME -- COMMAND` ({error})"
        ) from error
    if as_json:
        output.result(broker.answer(asked, "json"))
        return 0
    if not program:
        return _open_shell(asked, server, profile_env)
    return run(program, apply(_change(asked, "exec", server, profile_env), os.environ))


def _change(asked: Wish, form: str, server: bool, profile_env: bool) -> Change:
    if server:
        return broker.endpoint(asked, os.getpid())
    change = forms.change(broker.answer(asked, form))
    return change.with_name(asked.profile) if profile_env else change


def _open_shell(asked: Wish, server: bool, profile_env: bool) -> int:
    """Becomes the user's shell, which keeps its session fresh as one that has run `env` does."""
    from shellvault.shells import interactive

    shell = interactive.find(asked.environment)
    form = f"exec.{shell.name}" if shell.name else "exec"
    environment = apply(_change(asked, form, server, profile_env), os.environ)
    program, needed = interactive.command(shell, environment)
    if sys.stderr.isatty() and os.environ.get("AWS_VAULT_DISABLE_HELP_MESSAGE") != "1":
        output.note(f"a shell with the session of {asked.profile}: `exit` ends it")
    return run(program, environment | needed)


def apply(change: Change, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment after the change, without what only shellvault may read."""
    kept = {name: value for name, value in for_children(environment).items() if name not in change.unset}
    return kept | dict(change.set)


def run(program: list[str], environment: Mapping[str, str]) -> int:
    """Becomes the program. Returns only when it cannot: 127 not found, 126 not runnable (POSIX sh)."""
    name = program[0]
    path = name if "/" in name else shutil.which(name, path=environment.get("PATH", os.defpath))
    if not path:
        if _on_path(name, environment):
            output.complain(f"{name}: found on PATH but not executable: chmod +x it, or name another command")
            return 126
        output.complain(f"{name}: command not found on PATH")
        return 127
    return replace(path, program, environment)


def replace(path: str, program: list[str], environment: Mapping[str, str]) -> int:
    """Becomes the program in the file `path`. Returns only when it cannot (127, 126)."""
    # Python ignores these two signals, and a program would inherit that.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    try:
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
