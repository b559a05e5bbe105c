"""The manual, made from the command tree: shellvault(1) as troff (man(7)), and docs/commands.md."""

import inspect
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import click

from shellvault.cli.groups import FUNCTION_WORDS, GROUPS
from shellvault.configuration import PROFILE_KEYS, SET_BY_A_SESSION, SETTINGS, VARIABLES, Key

_MARKDOWN_HEAD = """\
# The commands

<!-- made by scripts/manual.py -->

Every command and option, as `shellvault help COMMAND` has it. Options that all commands share, and those of aws-vault:
`shellvault help aws-vault`.
"""

_CONFIGURATION_HEAD = """\
# Configuration

<!-- made by scripts/manual.py -->

`shellvault config [NAME]` shows each setting with its value and where that comes from.
"""

_EXIT_STATUSES = (
    ("0", "It was done."),
    ("1", "It was not done; one line on standard error says why, and what to do."),
    ("2", "The command line is wrong."),
    ("126, 127", "exec: the command cannot be run; it was not found."),
    ("130", "Interrupted, or a question was left without an answer."),
)

_FILES = (
    ("~/.aws/config", "The profiles."),
    ("~/.config/shellvault/config.toml", "Settings."),
    ("~/.local/share/shellvault/vault.shellvault", "The encrypted file, where that is the vault."),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One command: the words it is called by, its usage, its help by paragraphs, its options."""

    path: str
    usage: str
    paragraphs: tuple[str, ...]
    """One that keeps its lines begins with a line break."""
    options: tuple[tuple[str, str], ...]


def entries(root: click.Command) -> Iterator[Entry]:
    """Every command, the first of them `shellvault` itself."""
    yield from _walk(root, click.Context(root, info_name="shellvault", **root.context_settings))


def markdown(root: click.Command) -> str:
    """docs/commands.md."""
    parts = [_MARKDOWN_HEAD]
    for entry in entries(root):
        parts.append(f"## {entry.path}\n")
        parts.append(f"    {entry.usage}\n")
        for paragraph in entry.paragraphs:
            kept = paragraph.startswith("\n")
            parts.append(
                "".join(f"    {line}\n" for line in paragraph.splitlines()[1:]) if kept else f"{paragraph}\n"
            )
        if entry.options:
            parts.append("".join(f"- `{names}`: {text}\n" for names, text in entry.options))
    return "\n".join(parts)


def troff(root: click.Command) -> str:
    """shellvault(1)."""
    found = list(entries(root))
    top = found[0]
    lines = [
        '.TH SHELLVAULT 1 "" shellvault "User Commands"',
        ".SH NAME",
        "shellvault \\- AWS keys in the keyring, short\\-lived sessions where they are used",
        ".SH SYNOPSIS",
        _escaped(top.usage),
        ".SH DESCRIPTION",
        *_paragraphs(top),
        ".SH OPTIONS",
        *_definitions(top.options),
        ".SH COMMANDS",
    ]
    for entry in found[1:]:
        usage = _escaped(entry.usage)
        lines += [f".SS {_escaped(entry.path)}", usage, *_paragraphs(entry), *_definitions(entry.options)]
    lines += [".SH ENVIRONMENT", *_definitions(_variables()), ".SH FILES", *_definitions(_FILES)]
    lines += [".SH EXIT STATUS", *_definitions(_EXIT_STATUSES)]
    return "\n".join(lines) + "\n"


def configuration() -> str:
    """docs/configuration.md, from the table of `shellvault.configuration`."""
    head = ("Key", "Type", "Default", "Example", "Meaning", "Variable")
    parts = [
        _CONFIGURATION_HEAD,
        "## config.toml\n",
        "`~/.config/shellvault/config.toml` (below `$XDG_CONFIG_HOME`, if set). Without it the defaults count.",
        "A key that shellvault does not know is noted once.\n",
        _rows(head, SETTINGS),
        "\n## A profile\n",
        "In `~/.aws/config`, in a `[profile NAME]`, or in `[default]` for all that do not say otherwise.\n",
        _rows(head, PROFILE_KEYS),
        "\n## Variables\n",
        "Those of the tables above come first. Where ours of a name is not set, aws-vault's counts.\n",
        _rows(("Variable", *head[1:5]), VARIABLES),
        "\n## What a session sets\n",
        "For programs and prompts to read, besides the credentials and the region:\n",
        *(f"- `{names}`: {meaning}" for names, meaning in SET_BY_A_SESSION),
    ]
    return "\n".join(parts) + "\n"


def _rows(head: tuple[str, ...], keys: Iterable[Key]) -> str:
    lines = [head, ("---",) * len(head)]
    for key in keys:
        cells = (f"`{key.name}`", key.kind, key.default, f"`{key.example}`", key.meaning)
        variables = " ".join(f"`{name}`" for name in key.variables)
        lines.append((*cells, variables)[: len(head)])
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _variables() -> tuple[tuple[str, str], ...]:
    """Every variable and what it means, for the manual page."""
    of_keys = [(key.variables, key.meaning) for key in (*SETTINGS, *PROFILE_KEYS) if key.variables]
    alone = [((key.name,), key.meaning) for key in VARIABLES]
    return tuple((", ".join(names), meaning) for names, meaning in (*of_keys, *alone))


def _walk(command: click.Command, context: click.Context) -> Iterator[Entry]:
    yield Entry(
        context.command_path,
        " ".join([context.command_path, *command.collect_usage_pieces(context)]),
        tuple(_help(command)),
        tuple(_options(command, context)),
    )
    if isinstance(command, click.Group):
        words = command.list_commands(context)
        for name in words if context.parent else _in_order(words):
            if name in FUNCTION_WORDS:
                yield _of_function(command, context, name)
                continue
            child = command.get_command(context, name)
            if child is not None and not child.hidden:
                yield from _walk(child, child.context_class(child, info_name=name, parent=context))


def _in_order(names: list[str]) -> Iterator[str]:
    """The words that follow `shellvault`, the function's among them; what has no place in a group comes last."""
    ordered = [name for group in GROUPS.values() for name in group]
    yield from (name for name in ordered if name in names or name in FUNCTION_WORDS)
    yield from (name for name in names if name not in ordered)


def _of_function(root: click.Group, context: click.Context, name: str) -> Entry:
    """What the shell function adds (`shellvault init`): `use` takes what `env` takes."""
    env = root.get_command(context, "env") if name == "use" else None
    pieces = env.collect_usage_pieces(click.Context(env)) if env else []
    options = "See `shellvault env` for the options. " if env else ""
    text = f"{FUNCTION_WORDS[name]} {options}A word of the function that `shellvault init` gives the shell."
    return Entry(" ".join(["shellvault", name]), " ".join(["shellvault", name, *pieces]), (text,), ())


def _help(command: click.Command) -> Iterator[str]:
    text = inspect.cleandoc(command.help or "")
    for paragraph in re.split(r"\n\s*\n", text):
        # click's mark of a paragraph that keeps its lines.
        yield paragraph.replace("\b", "", 1) if "\b" in paragraph else " ".join(paragraph.split())
    if command.epilog:
        yield command.epilog


def _options(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
        # Every command has --help: it is said once.
        if record and ("--help" not in parameter.opts or context.parent is None):
            yield record[0], " ".join(record[1].split())


def _paragraphs(entry: Entry) -> Iterator[str]:
    for paragraph in entry.paragraphs:
        yield ".PP"
        if paragraph.startswith("\n"):
            yield from (".nf", *map(_escaped, paragraph.splitlines()[1:]), ".fi")
        else:
            yield _escaped(paragraph)


def _definitions(pairs: tuple[tuple[str, str], ...]) -> Iterator[str]:
    for term, meaning in pairs:
        yield from (".TP", f".B {_escaped(term)}", _escaped(meaning))


def _escaped(text: str) -> str:
    """Text that troff prints as it is: man(7) takes `\\`, `-` and a `.` or `'` at a line's beginning for itself."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq")
    escaped = "".join(char if char.isascii() else f"\\[u{ord(char):04X}]" for char in escaped)
    return f"\\&{escaped}" if escaped[:1] in (".", "'") else escaped
