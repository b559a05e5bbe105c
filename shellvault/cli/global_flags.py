"""What every command understands besides its own options: aws-vault's global flags, and the `--no-X` of each flag.

A flag sets its variable, so it reaches all code that reads it. It may stand before or after the command.
"""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import click

from shellvault.cli import help_text
from shellvault.dialogue import output


class GlobalOption(NamedTuple):
    """One of aws-vault's global flags."""

    name: str
    variable: str | None
    """The variable it sets; None: accepted, without effect."""
    takes_value: bool = True


GLOBAL_OPTIONS = (
    GlobalOption("--backend", "SHELLVAULT_BACKEND"),
    GlobalOption("--debug", None, takes_value=False),
    GlobalOption("--file-dir", "SHELLVAULT_FILE_DIR"),
    GlobalOption("--pass-cmd", "SHELLVAULT_PASS_CMD"),
    GlobalOption("--pass-dir", "SHELLVAULT_PASS_PASSWORD_STORE_DIR"),
    GlobalOption("--pass-prefix", "SHELLVAULT_PASS_PREFIX"),
    GlobalOption("--prompt", "SHELLVAULT_PROMPT"),
    GlobalOption("--secret-service-collection", "SHELLVAULT_SECRET_SERVICE_COLLECTION_NAME"),
    GlobalOption("--biometrics", None, takes_value=False),
    GlobalOption("--keychain", None),
    GlobalOption("--op-connect-host", None),
    GlobalOption("--op-desktop-account-id", None),
    GlobalOption("--op-item-tag", None),
    GlobalOption("--op-item-title-prefix", None),
    GlobalOption("--op-timeout", None),
    GlobalOption("--op-vault-id", None),
    GlobalOption("--proton-pass-api-base", None),
    GlobalOption("--proton-pass-item-title-prefix", None),
    GlobalOption("--proton-pass-share-id", None),
    GlobalOption("--proton-pass-timeout", None),
)

_BY_NAME = {option.name: option for option in GLOBAL_OPTIONS}

#: aws-vault's flags that stand for a whole command line.
_WHOLE = {
    "--completion-script-bash": ["init", "bash", "--completions-only", "--cmd", "aws-vault"],
    "--completion-script-zsh": ["init", "zsh", "--completions-only", "--cmd", "aws-vault"],
    "--help-long": ["help", "--long"],
    "--help-man": ["help", "--man"],
}


class Flag(click.Option):
    """A flag that `--no-X` takes back, like every flag of aws-vault; the help omits `--no-X`."""

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """See click.Option."""
        super().add_to_parser(parser, ctx)
        taken = {name for other in ctx.command.params for name in other.opts}
        for name in filter(lambda name: name.startswith("--"), self.opts):
            opposites = {f"--no-{name[2:]}", name.replace("--no-", "--", 1)} - taken
            parser.add_option(
                obj=self, opts=sorted(opposites), dest=self.name, action="store_const", const=False
            )


def complete(command: click.Command) -> click.Command:
    """Adds to a command what every command understands; repeated calls add nothing."""
    has = {name for parameter in command.params for name in parameter.opts}
    for parameter in command.params:
        if isinstance(parameter, click.Option) and _takes_no_opposite(parameter):
            # click has no class of options for all commands, and a `cls=Flag` at each could be left out.
            parameter.__class__ = Flag
    missing = [_hidden(option) for option in GLOBAL_OPTIONS if option.name not in has]
    command.params.extend(missing)
    command.context_class = help_text.Context
    return command


def _takes_no_opposite(option: click.Option) -> bool:
    return type(option) is click.Option and option.is_bool_flag and not option.secondary_opts


def behind_command(arguments: Sequence[str]) -> list[str]:
    """The command line with its global options behind the command's name, where each command takes them."""
    index = 0
    while index < len(arguments) and (length := _length(arguments[index])):
        index += length
    moved, rest = list(arguments[:index]), list(arguments[index:])
    if not rest:
        return list(arguments)
    return _WHOLE.get(rest[0]) or ([rest[0], *moved, *rest[1:]] if rest[0][:1] != "-" else rest)


def _length(word: str) -> int:
    """How many words a global option takes that begins with `word`; 0 when it is none."""
    name, separator, _ = word.partition("=")
    option = _BY_NAME.get(name) or (_BY_NAME.get(f"--{word[5:]}") if word.startswith("--no-") else None)
    if option is None:
        return 0
    return 2 if option.takes_value and not separator else 1


def _hidden(option: GlobalOption) -> click.Option:
    def follow(context: click.Context, parameter: click.Parameter, value: str | bool | None) -> None:
        if not value or context.resilient_parsing:
            return
        if option.variable:
            os.environ[option.variable] = str(value)
        elif option.name != "--debug":
            output.note(
                f"{option.name} has no effect here: `shellvault list --backends` shows which vault is used"
            )

    kind: Any = {} if option.takes_value else {"is_flag": True}
    made = Flag if not option.takes_value else click.Option
    return made([option.name], hidden=True, expose_value=False, callback=follow, **kind)
