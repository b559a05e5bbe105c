"""The command tree."""

import contextlib
import importlib
import io
import os
import shutil
import sys
from collections.abc import Sequence

import click

from shellvault import __version__
from shellvault.cli import first_steps, global_flags, help_text
from shellvault.cli.ending import drop_output, ended
from shellvault.cli.groups import FUNCTION_WORDS, GROUPS
from shellvault.cli.options import known_names
from shellvault.cli.suggest import NEIGHBOURS, Group, no_command, no_option, similar
from shellvault.dialogue import folding, output
from shellvault.dialogue.output import OutputError, ReaderGoneError, complain
from shellvault.errors import ConfigError, UsageError
from shellvault.fastlane import helping
from shellvault.profiles.unknown import how_to_get

#: Each command's module under shellvault.cli.commands, imported only when used.
COMMANDS = {
    "add": "add",
    "agent": "agent",
    "approve": "approve",
    "clear": "clear",
    "config": "config",
    "configure": "configure",
    "console": "console",
    "deny": "deny",
    "doctor": "doctor",
    "env": "env",
    "exec": "exec",
    "export": "export",
    "help": "help",
    "history": "history",
    "import": "import_",
    "init": "init",
    "install-process": "install_process",
    "leases": "leases",
    "list": "list",
    "lock": "lock",
    "migrate-backend": "migrate_backend",
    "passphrase": "passphrase",
    "proxy": "proxy",
    "remove": "remove",
    "requests": "requests",
    "revoke": "revoke",
    "rotate": "rotate",
    "shim": "shim",
    "signin": "signin",
    "signout": "signout",
    "sso": "sso",
    "status": "status",
    "unlock": "unlock",
    "version": "version",
    "why": "why",
}

#: What only wrappers and shims start.
INTERNAL = {"wrap": "wrap"}

ALIASES = {"login": "console", "ls": "list", "rm": "remove", "server": "proxy", "whoami": "status"}

#: The columns of help on a wider terminal.
_WIDEST_HELP = 100


class LazyGroup(Group):
    """A group whose commands are imported by name. Each module calls its own `command`."""

    context_class = help_text.Context

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All command names, in the order of GROUPS."""
        return [name for names in GROUPS.values() for name in names if name in COMMANDS]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands in their groups, the function's words among them; nothing is cut."""
        width = max(map(len, (*COMMANDS, *FUNCTION_WORDS)))
        for title, names in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), self._summary(ctx, name)) for name in names])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """What to do next; where there is no profile yet, the ways to one."""
        if not _names():
            formatter.write_paragraph()
            formatter.write_text(first_steps.NO_PROFILES[:1].upper() + first_steps.NO_PROFILES[1:] + ".")
        super().format_epilog(ctx, formatter)

    def _summary(self, ctx: click.Context, name: str) -> str:
        command = self.get_command(ctx, name)
        return FUNCTION_WORDS[name] if command is None else command.get_short_help_str(1000)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Global options may stand before the command, too."""
        return super().parse_args(ctx, global_flags.behind_command(args))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but for the function's own words."""
        if args[0] in FUNCTION_WORDS:
            first_steps.require_any(_names())
            raise UsageError(
                f"`{args[0]}` is a word of the shell function: run `shellvault init --install` and open a new shell, "
                f"or use {_by_hand()}"
            )
        return super().resolve_command(ctx, args)

    def hint(self, ctx: click.Context, word: str) -> str:
        """See Group: the words of neighbours and the names of profiles lead somewhere, too."""
        if word in _names():
            return f"{word} is a profile: `shellvault use {word}` enters its session, `shellvault exec {word}` too"
        if word.startswith("arn:"):
            return no_command(ctx, word, how_to_get(word))
        near = similar(word, [*self.list_commands(ctx), *FUNCTION_WORDS, *NEIGHBOURS])
        if near in NEIGHBOURS:
            return no_command(ctx, word, NEIGHBOURS[near] if near == word else f"{near}? {NEIGHBOURS[near]}")
        return no_command(ctx, word, near and f"did you mean `shellvault {near}`?")

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the command's module; None for a name that is no command."""
        module = COMMANDS.get(ALIASES.get(cmd_name, cmd_name)) or INTERNAL.get(cmd_name)
        if module is None:
            return None
        found: click.Command = importlib.import_module(f"shellvault.cli.commands.{module}").command
        return global_flags.complete(found)


def _by_hand() -> str:
    """What enters a session without the function, as the shell that asks writes it."""
    from shellvault.shells import detect, lines

    try:
        return f"`{lines.evaluated(detect.detect(os.getppid()), 'env', 'NAME')}`"
    except UsageError:
        return "`shellvault exec NAME`"


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": _WIDEST_HELP},
    epilog="`shellvault help COMMAND` has the options of one.",
)
@click.version_option(__version__, "-v", "--version", prog_name="shellvault")
def command() -> None:
    """Keeps AWS keys in the keyring and puts short-lived sessions where they are used."""


def run(arguments: Sequence[str]) -> int:
    """Runs one command line and returns its exit status. No error becomes a traceback."""
    return ended(lambda: _by_click(arguments))


def _by_click(arguments: Sequence[str]) -> object:
    try:
        return command.main(
            list(arguments), prog_name="shellvault", standalone_mode=False, terminal_width=_help_width()
        )
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.exceptions.NoArgsIsHelpError as question:
        print(question.format_message(), file=sys.stderr)
        return 2
    except click.NoSuchOption as error:
        complain(no_option(error))
        return error.exit_code
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "shellvault"
        complain(f"{error.format_message()} (see `{where} --help`)")
        return error.exit_code
    except click.Abort:
        raise KeyboardInterrupt from None


def _names() -> list[str]:
    """All profiles; not empty if the config file cannot be read: the command that uses it reports that."""
    try:
        return known_names(os.environ)
    except ConfigError:
        return [""]


def _help_width() -> int:
    """The columns of help on the terminal that shows it, also where stdout is a pipe and help is on stderr."""
    shown_on = next((number for number in (1, 2) if os.isatty(number)), None)
    columns = shutil.get_terminal_size().columns if shown_on is None else folding.columns(shown_on)
    return max(min(columns, _WIDEST_HELP) - 2, 20)


def main() -> int:
    """The full command line, as the fast lane hands over to it; its exit status."""
    output.replace_closed()
    words = helping.words(sys.argv[1:])
    return run(sys.argv[1:]) if words is None or output.is_closed() else _help(words)


def _help(words: list[str]) -> int:
    """Writes the help that the command line asks for, and keeps it for the fast lane."""
    # Where there is no profile yet it says how to get one.
    is_lasting = bool(words or _names())
    with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), "utf-8", "surrogateescape")) as written:
        status = run(sys.argv[1:])
    text = written.buffer.getvalue().decode("utf-8", "surrogateescape")
    if status == 0 and is_lasting:
        from shellvault.shells import init

        init.keep_help(helping.columns(dict(os.environ)), words, text, os.environ)
    try:
        output.result(text)
    except (OutputError, ReaderGoneError) as error:
        drop_output()
        complain(str(error))
        return error.exit_status
    return status
