"""What a person probably meant: the nearest word, or what a neighbour's word is called here."""

import difflib
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager

import click

from shellvault.cli import first_steps, global_flags
from shellvault.cli.options import SessionRequest, known_names
from shellvault.errors import ConfigError, UnknownProfileError, UsageError
from shellvault.profiles.unknown import how_to_get

_USE = "`shellvault use NAME` enters a session in this shell (after `shellvault init --install`)"
_LEAVE = "`shellvault leave` leaves the session of this shell"
_HERE = "`shellvault list` marks the profile of this shell"
_ADD = "`shellvault add NAME` stores keys"
_SHOW = "`shellvault list` shows profiles, keys and sessions"

#: Words of other tools, and where they lead; none is a command of ours.
NEIGHBOURS = {
    "activate": _USE,
    "assume": _USE,
    "browser": "`shellvault console NAME` opens the AWS console in the browser",
    "cache": _SHOW,
    "credential-process": "`shellvault export NAME --format json` is for credential_process",
    "credentials": f"{_SHOW}, {_ADD}",
    "current": _HERE,
    "deactivate": _LEAVE,
    "delete": "`shellvault remove NAME` removes stored keys, `shellvault clear NAME` forgets sessions",
    "enter": _USE,
    "eval": _USE,
    "exit": _LEAVE,
    "flush": "`shellvault clear` forgets sessions",
    "generate": "`shellvault sso populate` makes a profile for each account and role",
    "logout": f"`shellvault signout NAME` ends a sign-in, {_LEAVE}",
    "populate": "`shellvault sso populate` makes a profile for each account and role",
    "process": "`shellvault install-process NAME` lets every SDK use a profile",
    "profiles": _SHOW,
    "quit": _LEAVE,
    "renew": "a session is renewed by itself; `shellvault exec NAME --fresh -- COMMAND` gets a new one",
    "run": "`shellvault exec NAME -- COMMAND` runs a command with a session",
    "save": _ADD,
    "sessions": _SHOW,
    "set": f"`shellvault env NAME` is for this shell, {_ADD}",
    "setup": f"{_ADD}, `shellvault init --install` sets up the shell",
    "shell": "`shellvault exec NAME` opens a shell in the session",
    "show": "`shellvault list` shows profiles, keys and sessions, `shellvault why NAME` how one session comes about",
    "store": _ADD,
    "switch": _USE,
    "unset": _LEAVE,
    "unuse": _LEAVE,
    "verify": "`shellvault doctor --keys` asks AWS about the stored keys",
}


class Group(click.Group):
    """A group that says which command was probably meant."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but an unknown word gets a suggestion."""
        word = args[0]
        if not word.startswith("-") and self.get_command(ctx, word) is None:
            raise UsageError(self.hint(ctx, word))
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """As click does, with what every command understands."""
        found = super().get_command(ctx, cmd_name)
        return found and global_flags.complete(found)

    def hint(self, ctx: click.Context, word: str) -> str:
        """What to say of a word that is no command."""
        near = similar(word, self.list_commands(ctx))
        return no_command(ctx, word, near and f"did you mean `{ctx.command_path} {near}`?")


def no_command(ctx: click.Context, word: str, advice: str | None) -> str:
    """The one wording for a word that is no command of the group; without advice all are named."""
    path = ctx.command_path
    return f"there is no command `{path} {word}`: {advice or f'`{path} --help` lists them'}"


def no_option(error: click.NoSuchOption) -> str:
    """Says that there is no such option, and which was probably meant; never one that only other tools need."""
    command = error.ctx.command if error.ctx else None
    shown = [
        next((name for name in parameter.opts if name.startswith("--")), parameter.opts[0])
        for parameter in (command.params if command else ())
        if isinstance(parameter, click.Option) and not parameter.hidden
    ]
    path = error.ctx.command_path if error.ctx else "shellvault"
    near = similar(error.option_name, shown)
    advice = f"did you mean `{near}`?" if near else f"`{path} --help` lists them"
    return f"`{path}` has no option `{error.option_name}`: {advice}"


def similar(word: str, words: Iterable[str]) -> str | None:
    """The word that was probably meant, None when none is near."""
    folded = {known.casefold(): known for known in words}
    near = difflib.get_close_matches(word.casefold(), folded, 1, 0.6)
    return folded[near[0]] if near else None


def unknown_profile(name: str, names: Collection[str]) -> str:
    """Says that there is no such profile, and which was probably meant, or how to get one."""
    if not names:
        return first_steps.NO_PROFILES
    near = similar(name, names)
    return f"there is no profile {name}: {f'did you mean {near}?' if near else how_to_get(name)}"


@contextmanager
def suggesting(wanted: SessionRequest) -> Iterator[None]:
    """Has an error about an unknown profile name the one that was probably meant."""
    try:
        yield
    except UnknownProfileError as error:
        try:
            names = known_names(wanted.environment)
        except ConfigError:
            raise error from None
        if wanted.profile in names:
            raise
        raise UnknownProfileError(unknown_profile(wanted.profile, names)) from error
