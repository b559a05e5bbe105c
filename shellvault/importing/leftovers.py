"""Lines of the config file that call another tool, such as `credential_process = aws-vault exec NAME --json`.

They break when the tool is removed; until then they bypass the vault.
"""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import NamedTuple

from shellvault.profiles.parse import ConfigFile

#: File name of a program to the tool's name.
_TOOLS = {
    "aws-vault": "aws-vault",
    "granted": "Granted",
    "assume": "Granted",
    "assumego": "Granted",
    "aws-sso": "aws-sso-cli",
}

#: aws-vault's options with a value: the value is not the profile.
_WITH_VALUE = frozenset(
    f"--{name}"
    for name in (
        *("duration", "mfa-token", "region", "prompt", "backend", "format", "file-dir", "keychain"),
        *("pass-dir", "pass-cmd", "pass-prefix", "secret-service-collection"),
    )
) | {"-d", "-t"}

#: Most nested command lines (`sh -c "…"`).
_DEPTH = 3


class Leftover(NamedTuple):
    """A command line of another tool that prints credentials."""

    tool: str
    program: str
    """The program as written in the line."""
    profile: str | None
    """The profile of the credentials; None if the line does not name it."""


def in_config(config: ConfigFile) -> Iterator[tuple[str, Leftover]]:
    """The profiles whose `credential_process` calls another tool."""
    for name, section in config.profiles.items():
        line = section.values.get("credential_process")
        found = of(line) if isinstance(line, str) else None
        if found:
            yield name, found


def of(line: str, depth: int = _DEPTH) -> Leftover | None:
    """The other tool's command in a `credential_process` line, or None."""
    try:
        words = shlex.split(line)
    except ValueError:
        return None
    if words and PurePath(words[0]).name == "env":
        words = words[1:]
    while words and "=" in words[0] and not words[0].startswith(("-", "/")):
        words = words[1:]
    if not words:
        return None
    program = PurePath(words[0].replace("\\", "/")).name.lower().removesuffix(".exe")
    if program in ("sh", "bash", "zsh", "dash") and "-c" in words[1:-1] and depth:
        return of(words[words.index("-c") + 1].removeprefix("exec "), depth - 1)
    if program not in _TOOLS:
        return None
    return Leftover(_TOOLS[program], words[0], _profile(program, words[1:]))


def _profile(program: str, arguments: Sequence[str]) -> str | None:
    named = _option(arguments, ("--profile", "-p"))
    if named or program != "aws-vault":
        return named
    rest = iter(arguments)
    for word in rest:
        if word in _WITH_VALUE:
            next(rest, None)
        elif not word.startswith("-") and word not in ("exec", "export"):
            return word
    return None


def _option(arguments: Sequence[str], names: Sequence[str]) -> str | None:
    for number, word in enumerate(arguments):
        name, equals, value = word.partition("=")
        if name in names:
            return value if equals else next(iter(arguments[number + 1 :]), None)
    return None
