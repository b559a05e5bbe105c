"""What a person probably meant: the nearest word, or what a neighbour's word is called here."""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import click

from shellvault.cli import every_command
from shellvault.cli.options import Wish, known_names
from shellvault.errors import ConfigError, UsageError

#: Words of other tools, and where they lead; one that has become a command of ours is never looked up.
NEIGHBOURS = {
    "activate": "`shellvault use NAME` enters a session in this shell (after `shellvault init --install`)",
    "assume": "`shellvault use NAME` enters a session in this shell (after `shellvault init --install`)",
    "configure": "`shellvault add NAME` stores keys, `shellvault init --install` sets up the shell",
    "credential-process": "`shellvault export NAME --format json` is for credential_process",
    "deactivate": "`shellvault leave` leaves the session of this shell",
    "delete": "`shellvault remove NAME` removes stored keys, `shellvault clear NAME` forgets sessions",
    "logout": "`shellvault leave` leaves the session of this shell, `shellvault clear` forgets all sessions",
    "run": "`shellvault exec NAME -- COMMAND` runs a command with a session",
    "set": "`shellvault env NAME` is for this shell, `shellvault add NAME` stores keys",
    "shell": "`shellvault exec NAME` opens a shell in the session",
    "show": "`shellvault list` shows profiles, keys and sessions, `shellvault why NAME` how one session comes about",
    "signin": "`shellvault env NAME` and `shellvault exec NAME` sign in by themselves when they must",
    "status": "`shellvault list` shows profiles, keys and sessions, `shellvault agent status` what the agent holds",
    "unset": "`shellvault leave` leaves the session of this shell, without the function: shellvault env --leave",
    "unuse": "`shellvault leave` leaves the session of this shell",
    "whoami": "`shellvault list` marks the profile of this shell",
}


class Group(click.Group):
    """A group that says which command was probably meant."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but an unknown word leads somewhere."""
        word = args[0]
        if (
            not word.startswith("-")
            and self.get_command(ctx, word) is None
            and (hint := self.hint(ctx, word))
        ):
            raise UsageError(hint)
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """As click does, with what every command understands."""
        found = super().get_command(ctx, cmd_name)
        return found and every_command.complete(found)

    def hint(self, ctx: click.Context, word: str) -> str | None:
        """What to say of a word that is no command; None when nothing is near."""
        near = similar(word, self.list_commands(ctx))
        return (
            near
            and f"there is no command {ctx.command_path} {word}: did you mean `{ctx.command_path} {near}`?"
        )


def similar(word: str, words: Iterable[str]) -> str | None:
    """The word that was probably meant, None when none is near."""
    folded = {known.casefold(): known for known in words}
    near = difflib.get_close_matches(word.casefold(), folded, 1, 0.6)
    return folded[near[0]] if near else None


def unknown_profile(name: str, names: Iterable[str]) -> str:
    """Says that there is no such profile, and which was probably meant."""
    near = similar(name, names)
    return f"there is no profile {name}" + (f": did you mean {near}?" if near else "")


@contextmanager
def suggesting(wish: Wish) -> Iterator[None]:
    """Lets an error about a profile that nobody knows name the one that was probably meant."""
    try:
        yield
    except ConfigError as error:
        try:
            names = known_names(wish.environment)
        except ConfigError:
            raise error from None
        if wish.profile in names or similar(wish.profile, names) is None:
            raise
        raise ConfigError(unknown_profile(wish.profile, names)) from error
