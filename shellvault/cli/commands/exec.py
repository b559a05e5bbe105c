"""`shellvault exec`: one command with a session, by a real execve, so that nothing stays in between."""

import os
import shutil
from typing import Any

import click

from shellvault.cli import endpoint, provider
from shellvault.cli.options import (
    SessionRequest,
    known_names,
    link_option,
    server_option,
    session_options,
    session_request,
)
from shellvault.cli.program import apply, or_shell, run
from shellvault.dialogue import output
from shellvault.display import printable
from shellvault.errors import NeedsPersonError, UsageError
from shellvault.profiles.grammar import word
from shellvault.shells import forms


class CommandLine(click.Command):
    """`[OPTIONS] [NAME] [OPTIONS] [COMMAND…] [--] COMMAND…`: the command follows NAME, or else `--`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Splits the command off before click sees its options. What follows a command's own `--` is its too."""
        border = args.index("--") if "--" in args else len(args)
        ours, program = self._split_at_second_word(ctx, args[:border])
        ctx.meta["program"] = [*program, *args[border + 1 :]]
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
            elif _takes_next(word, takes_value):
                index += 1
            index += 1
        return args, []


def _takes_next(word: str, takes_value: set[str]) -> bool:
    """Whether the value of an option, or of the last of several short ones (`-nd`), is the next word."""
    if word.startswith("--"):
        return word in takes_value
    ends = (index for index, letter in enumerate(word) if index and f"-{letter}" in takes_value)
    return next(ends, -1) == len(word) - 1


@click.command(
    name="exec",
    cls=CommandLine,
    options_metavar="[OPTIONS] [NAME] [-- COMMAND [ARGUMENTS]...]",
)
@click.argument("name", required=False, metavar="")
@server_option
@click.option(
    "--ec2-server",
    is_flag=True,
    help="Serve an EC2 metadata service to COMMAND, for programs that know no other endpoint.",
)
@click.option("--lazy", is_flag=True, help="With a server: get the session when it is first asked for.")
@click.option(
    "--profile-env",
    is_flag=True,
    envvar=["SHELLVAULT_PROFILE_ENV", "AWS_VAULT_PROFILE_ENV"],
    help="Get the session, and give COMMAND its name in AWS_PROFILE instead of it.",
)
@click.option("--lease", metavar="TIME", help="Let COMMAND, and all that it starts, use NAME that long: 1h.")
@click.option("--lease-for", metavar="NAMES", help="More profiles of the lease: dev,stage.")
@click.option("--full", is_flag=True, help="With --lease: sessions that may write (else they are read-only).")
@click.option("-j", "--json", "as_json", is_flag=True, hidden=True)
@link_option
@session_options
@click.pass_context
def command(
    context: click.Context,
    /,
    name: str | None,
    server: bool,
    ec2_server: bool,
    lazy: bool,
    profile_env: bool,
    lease: str | None,
    lease_for: str | None,
    full: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """Run COMMAND with a session of profile NAME.

    The session is in its environment. Without COMMAND, your shell is run. NAME defaults to AWS_PROFILE. Options go
    before the `--`.
    """
    program: list[str] = context.meta["program"]
    if server and ec2_server:
        raise UsageError("--server and --ec2-server are two ways to the same session: choose one")
    if lease and (server or ec2_server or as_json or profile_env):
        raise UsageError("--lease hands the session to COMMAND: leave the other way out")
    if (full or lease_for) and not lease:
        raise UsageError("--full and --lease-for go with --lease TIME")
    if as_json and (server or ec2_server):
        raise UsageError("--json prints a session, and a server hands it out instead: choose one")
    if name is None and program and not shutil.which(program[0]) and program[0] in known_names(os.environ):
        raise UsageError(
            f"{printable(program[0])} is a profile, and a command follows `--`: "
            f"write `exec {word(program[0])} -- COMMAND`"
        )
    try:
        asked = session_request(name, given)
    except NeedsPersonError as error:
        raise NeedsPersonError(
            f"a profile is missing: `shellvault exec NAME -- COMMAND` ({error})"
        ) from error
    if lease:
        from shellvault.cli import lease as leasing

        more = [name for name in (lease_for or "").split(",") if name]
        asked = leasing.take(asked, lease, more, full=full)
        change = forms.change(provider.answer(asked, "exec"))
        return leasing.serve(*or_shell(program, apply(change, os.environ), asked.profile))
    if as_json:
        output.result(provider.answer(asked, "json"))
        return 0
    if ec2_server:
        from shellvault.cli import ec2_server as metadata

        return metadata.run(asked, program, lazy=lazy)
    if server:
        change = endpoint.opened(asked, os.getpid(), lazy=lazy)
    else:
        change = forms.change(provider.answer(asked, "exec" if program else _shell_form(asked)))
        change = change.with_name(asked.profile) if profile_env else change
    return run(*or_shell(program, apply(change, os.environ), asked.profile))


def _shell_form(asked: SessionRequest) -> str:
    """The form for the user's shell, which keeps its session fresh as one that has run `env` does."""
    from shellvault.shells import interactive

    shell = interactive.find(asked.environment)
    return f"exec.{shell.name}" if shell.name else "exec"
