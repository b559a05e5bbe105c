"""Completions, made from the command tree itself: what the command line understands is what TAB offers."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import click

from shellvault.fastlane import PROFILE_OPTION
from shellvault.shells import render

#: What a value may be: a profile's name, the name of a program, a file, one of a few words, or nothing TAB can know.
Kind = Literal["profile", "program", "file", "choice", "unknown"]

#: Parameters by what they hold, where the type does not say it.
_KINDS: dict[str, Kind] = {"name": "profile", "profile": "profile", "programs": "program", "wrap": "program"}


@dataclass(frozen=True, slots=True)
class Value:
    """What an argument, or the value of an option, may be."""

    kind: Kind
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Option:
    """An option of one command; `value` is None for a flag."""

    names: tuple[str, ...]
    help: str
    value: Value | None


@dataclass(frozen=True, slots=True)
class Node:
    """A command, or a group of them, by its words: "" for the root, `env`, `shim add`."""

    path: str
    help: str
    options: tuple[Option, ...]
    commands: tuple[tuple[str, str], ...]
    """The names of a group's commands, and one line of help for each."""
    arguments: tuple[Value, ...]
    """What stands at each place behind the options."""
    repeats: bool
    """Whether the last of them may come again."""
    runs_program: bool
    """Whether what follows the first argument, or `--`, is a command line of its own."""

    @property
    def values(self) -> Iterator[tuple[tuple[str, ...], Value]]:
        """What the values of its options may be, each with the names of all options that take such a value."""
        names: dict[Value, list[str]] = {}
        for option in self.options:
            if option.value is not None:
                names.setdefault(option.value, []).extend(option.names)
        return ((tuple(of_value), value) for value, of_value in names.items())


def completion_text(
    shell: str,
    root: click.Command,
    function: str,
    wrap: tuple[str, ...],
    folder: str = "",
    *,
    has_function: bool = True,
) -> str:
    """The completions for the function of that name, and for the options of wrapped programs, as text for `shell`.

    `root` is the command tree that the function understands; without a function (`has_function`) it is a program's.
    `folder` (quoted) is what fish looks into first, if any.
    """
    nodes = list(tree(root) if has_function else _walk(root, _context(root), ""))
    flags = {
        name for node in nodes for option in node.options if option.value is None for name in option.names
    }
    takers = {
        name for node in nodes for option in node.options if option.value is not None for name in option.names
    }
    # Where the words of a command end is found without knowing the command yet, so no name may be both.
    ambiguous = sorted(flags & takers)
    return render.snippet(
        shell,
        "completions",
        command=function,
        folder=folder,
        nodes=nodes,
        takers=sorted(takers - set(ambiguous)),
        wrap=[program for program in wrap if program in PROFILE_OPTION],
    )


def tree(root: click.Command) -> Iterator[Node]:
    """Every command with what the function adds to it: `use` is `env`, and `leave` takes nothing."""
    top, *others = _walk(root, _context(root), "")
    env = next(node for node in others if node.path == "env")
    use = ("use", "Put a session of a profile into this shell.")
    leave = ("leave", "Put every variable back as it was before.")
    names = tuple(name for name, _ in top.commands)
    yield replace(top, commands=tuple(sorted((*top.commands, use, leave))))
    for node in others:
        takes_words = node.path == "help"
        yield replace(node, arguments=(Value("choice", names),)) if takes_words else node
    yield Node("use", use[1], env.options, (), env.arguments, repeats=False, runs_program=False)
    yield Node("leave", leave[1], (), (), (), repeats=False, runs_program=False)


def _context(root: click.Command) -> click.Context:
    return click.Context(root, info_name="shellvault", **root.context_settings)


def _walk(command: click.Command, context: click.Context, path: str) -> Iterator[Node]:
    children: list[tuple[str, click.Command]] = []
    if isinstance(command, click.Group):
        found = ((name, command.get_command(context, name)) for name in command.list_commands(context))
        children = [(name, child) for name, child in found if child is not None and not child.hidden]
    parameters = command.get_params(context)
    arguments = [parameter for parameter in parameters if isinstance(parameter, click.Argument)]
    yield Node(
        path,
        _line(command.get_short_help_str(100)),
        tuple(
            _option(parameter)
            for parameter in parameters
            if isinstance(parameter, click.Option) and not parameter.hidden
        ),
        tuple((name, _line(child.get_short_help_str(100))) for name, child in children),
        tuple(map(_value, arguments)),
        repeats=bool(arguments) and arguments[-1].nargs == -1,
        runs_program=path == "exec",
    )
    for name, child in children:
        yield from _walk(
            child, click.Context(child, info_name=name, parent=context), f"{path} {name}".strip()
        )


def _option(option: click.Option) -> Option:
    takes_value = not (option.is_flag or option.count)
    return Option(
        (*option.opts, *option.secondary_opts),
        _line(option.help or ""),
        _value(option) if takes_value else None,
    )


def _value(parameter: click.Parameter) -> Value:
    if isinstance(parameter.type, click.Choice):
        return Value("choice", tuple(str(choice) for choice in parameter.type.choices))
    if isinstance(parameter.type, click.Path | click.File):
        return Value("file")
    return Value(_KINDS.get(parameter.name or "", "unknown"))


def _line(text: str) -> str:
    return " ".join(text.split())
