"""`shellvault wrap`: what wrappers and shims start; the fast lane's `wrap`, where a person or the network is needed."""

import os

import click

from shellvault import here
from shellvault.cli import provider
from shellvault.cli.options import SessionRequest
from shellvault.cli.program import replace
from shellvault.dialogue import output
from shellvault.display import printable
from shellvault.errors import ShellvaultError
from shellvault.fastlane import wrapping
from shellvault.fastlane.program import beginning, find
from shellvault.shells import forms
from shellvault.variables import CREDENTIAL_VARIABLES

#: What a session consists of, as keys and as an endpoint.
SESSION = (
    *CREDENTIAL_VARIABLES,
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


class CommandLine(click.Command):
    """`[--default NAME] PROGRAM…`: all that follows is the program's."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keeps every word from click."""
        ctx.meta["program"], ctx.meta["default"] = wrapping.parse(args)
        return super().parse_args(ctx, [])


@click.command(name="wrap", cls=CommandLine, hidden=True, add_help_option=False)
@click.pass_context
def command(context: click.Context, /) -> int:
    """Run a program as its wrapper does: with the session of the profile that it is asked to use, where one is ours."""
    program, environment = context.meta["program"], dict(os.environ)
    file = find(program[0], environment.get("PATH", ""), passes_shims=True) if program else None
    if file is None:
        # Never started by name: what would be found is a shim, which starts this again.
        what = printable(program[0]) if program else "no program is named"
        output.complain(f"{what}: not found on PATH (shims of ours aside): install the program itself")
        return 127
    try:
        choice = wrapping.choose(
            program, beginning(file), context.meta["default"], environment, here.folder()
        )
    except ValueError:
        output.note(f"{program[0]} runs without a session of ours: the current folder has been removed")
        choice = None
    if choice is None:
        return replace(file, program, environment)
    wanted = SessionRequest(
        choice.profile, choice.narrowing, environment, agent=here.agent_allowed(environment)
    )
    try:
        change = forms.change(provider.answer(wanted, "exec"))
    except ShellvaultError as error:
        output.note(f"{program[0]} runs without a session of ours: {error}")
        return replace(file, program, _without_session(choice.profile, environment))
    return replace(
        file, choice.program, wrapping.given(choice, dict(change.set), list(change.unset), environment)
    )


def _without_session(profile: str, environment: dict[str, str]) -> dict[str, str]:
    """The environment without the session of another profile, which the program would take for this one's."""
    if environment.get("AWS_VAULT") == profile or not environment.get("SHELLVAULT_REQUEST"):
        return environment
    return {name: value for name, value in environment.items() if name not in SESSION}
