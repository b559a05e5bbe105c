"""The AWS config file, read as the AWS CLI reads it.

The AWS CLI (botocore.configloader) reads the file with configparser.RawConfigParser and its defaults: `=` or
`:` after a key, keys in lower case, no comments after a value, deeper lines continue the value before them. A
section or key that occurs twice is an error. This module follows the same rules by itself, because messages
need the line of every section and key, and as it reads a thousand profiles in a third of the time.
"""

import errno
import os
import re
import shlex
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shellvault.errors import ConfigError

#: More than any real config file; what is larger is a mistake (or /dev/zero behind a link).
MAX_BYTES = 16 * 1024 * 1024

#: What a key holds: text, or the keys of an indented block (`s3 =` and deeper lines).
Value = str | Mapping[str, str]

_BOM = "\ufeff"
_HEADER = re.compile(r"\[(.+)\]")
_DELIMITER = re.compile("[=:]")
#: configparser gives the keys of this section to all others (`[default]`, the profile, is another one).
_COMMON = "DEFAULT"
_BLANKS = re.compile("[ \t\r\n]+")
_QUOTING = frozenset("'\"\\")


@dataclass(frozen=True, slots=True)
class Section:
    """One `[header]` of the file and its keys. Values may hold secrets, so no repr shows them."""

    header: str
    line: int
    values: Mapping[str, Value] = field(repr=False)
    lines: Mapping[str, int] = field(repr=False)
    """The line of each key."""


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A config file as the AWS CLI understands it."""

    path: Path
    exists: bool
    sections: Mapping[str, Section] = field(default_factory=dict)
    """Every section by its header as written, `[DEFAULT]` excepted: its keys are in all the others."""
    profiles: Mapping[str, Section] = field(default_factory=dict)
    sso_sessions: Mapping[str, Section] = field(default_factory=dict)
    services: Mapping[str, Section] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    """What the AWS CLI passes over in silence, one line each."""

    @property
    def profile_names(self) -> tuple[str, ...]:
        """The names of all profiles, in the order of the file."""
        return tuple(self.profiles)

    def section(self, name: str) -> Mapping[str, Value]:
        """The keys of profile `name` without inheritance; empty for a profile that is not there."""
        section = self.profiles.get(name)
        return section.values if section else {}

    def at(self, line: int) -> str:
        """`FILE:LINE`, for messages."""
        return place(self.path, line)


def place(path: Path, line: int) -> str:
    """`FILE:LINE`, for messages."""
    return f"{printable(str(path))}:{line}"


def printable(text: str) -> str:
    """Text made fit for a one-line message: escaped where it is not printable, and shortened."""
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= 200 else text[:199] + "…"


def load(path: Path) -> ConfigFile:
    """Reads the config file; one that does not exist is an empty one.

    Raises ConfigError, with the line where there is one, for a file that cannot be read or that the AWS CLI
    would refuse too.
    """
    data = read_bytes(path)
    return ConfigFile(path, exists=False) if data is None else parse(data, path)


def read_bytes(path: Path) -> bytes | None:
    """The bytes of the file, None when there is none. Raises ConfigError for what is not a readable file."""
    try:
        # Without O_NONBLOCK, opening a named pipe waits for a writer that may never come.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as file:
            mode = os.fstat(descriptor).st_mode
            if stat.S_ISCHR(mode):  # AWS_CONFIG_FILE=/dev/null is the usual way to say "no config file"
                return None
            if not stat.S_ISREG(mode):
                raise ConfigError(f"{printable(str(path))} is not a file: correct AWS_CONFIG_FILE")
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except ValueError as error:  # a NUL in the path
        raise ConfigError(f"{printable(str(path))} is not a path: correct AWS_CONFIG_FILE") from error
    except OSError as error:
        if error.errno == errno.EISDIR:
            raise ConfigError(f"{printable(str(path))} is not a file: correct AWS_CONFIG_FILE") from error
        raise ConfigError(f"{printable(str(path))} cannot be read: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{printable(str(path))} is larger than 16 MiB: this cannot be an AWS config file")
    return data


def parse(data: bytes, path: Path) -> ConfigFile:
    """Understands the bytes of a config file; `path` is for messages. Raises ConfigError with the line."""
    text, notes = decode(data, path), []
    if text.startswith(_BOM):
        text = text[1:]
        notes.append(f"{place(path, 1)}: the AWS CLI refuses a file that begins with a byte order mark")
    sections = _read_sections(text, path)
    named: dict[str, dict[str, Section]] = {"profile": {}, "sso-session": {}, "services": {}}
    for header, section in sections.items():
        # As botocore has it: any header that begins with the word, and its second word is the name.
        kind = next((kind for kind in named if header.startswith(kind)), None)
        if kind is None and header != "default":
            continue
        name = _second_word(header) if kind else "default"
        where = f"{place(path, section.line)}: [{printable(header)}]"
        if name is None:
            notes.append(f"{where} is not read: a name with spaces must stand in quotes")
            continue
        group = named[kind or "profile"]
        if earlier := group.get(name):
            notes.append(f"{where} replaces [{printable(earlier.header)}] of line {earlier.line}")
        group[name] = section
    profiles, sso_sessions, services = named.values()
    return ConfigFile(path, True, sections, profiles, sso_sessions, services, tuple(notes))


def decode(data: bytes, path: Path) -> str:
    """The text of the file, a byte order mark included. Raises ConfigError for a line that is not UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = len(split_lines(data[: error.start].decode("utf-8")))
        raise _error(path, line, "this line is not UTF-8: save the file as UTF-8") from error


def split_lines(text: str) -> list[str]:
    """The lines of a text file, which end with LF, CRLF or CR and nothing else; the last may be empty."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _second_word(header: str) -> str | None:
    """The second of exactly two shell words (`profile "a b"`), None when the header is anything else."""
    if _QUOTING.isdisjoint(header):  # shlex is slow, and quotes are rare
        words = [word for word in _BLANKS.split(header) if word]
    else:
        try:
            words = shlex.split(header)
        except ValueError:
            return None
    return words[1] if len(words) == 2 else None


@dataclass(frozen=True, slots=True)
class _Draft:
    """A section while it is read: the lines of each value, still apart."""

    line: int
    parts: dict[str, list[str]] = field(default_factory=dict, repr=False)
    lines: dict[str, int] = field(default_factory=dict, repr=False)


def _read_sections(text: str, path: Path) -> dict[str, Section]:
    """All sections by header. Raises ConfigError where RawConfigParser or botocore would refuse the file."""
    drafts: dict[str, _Draft] = {}
    draft: _Draft | None = None
    value: list[str] | None = None  # what a deeper line continues
    indent = 0
    for number, line in enumerate(split_lines(text), start=1):
        words = line.strip()
        if not words:
            if value is not None:
                value.append("")
            continue
        if words[0] in "#;":
            continue
        depth = len(line) - len(line.lstrip())
        if value is not None and depth > indent:
            value.append(words)
            continue
        indent = depth
        if match := _HEADER.match(words):
            draft, value = _open_section(match[1], drafts, path, number), None
        elif draft is None:
            raise _error(path, number, "this line stands before the first section: put [default] above it")
        else:
            key, first = _split_key(words, path, number)
            if key in draft.lines:
                problem = f"{printable(key)} is on line {draft.lines[key]} already: keep one of them"
                raise _error(path, number, problem)
            draft.lines[key], draft.parts[key] = number, [first]
            value = draft.parts[key]
    return _finish(drafts, path)


def _open_section(header: str, drafts: dict[str, _Draft], path: Path, number: int) -> _Draft:
    if header in drafts and header != _COMMON:
        problem = f"[{printable(header)}] is on line {drafts[header].line} already: make the two one"
        raise _error(path, number, problem)
    return drafts.setdefault(header, _Draft(number))


def _split_key(words: str, path: Path, number: int) -> tuple[str, str]:
    match = _DELIMITER.search(words)
    key = words[: match.start()].rstrip().lower() if match else ""
    if not match or not key:
        # The line is not repeated in the message: it may hold a secret.
        raise _error(path, number, "this line is neither `key = value` nor a [section]")
    return key, words[match.end() :].strip()


def _finish(drafts: dict[str, _Draft], path: Path) -> dict[str, Section]:
    """Joins the lines of every value, and gives the keys of `[DEFAULT]` to all sections."""
    common = drafts.pop(_COMMON, _Draft(0))
    common_values = _values(common, path)
    return {
        header: Section(header, draft.line, common_values | _values(draft, path), common.lines | draft.lines)
        for header, draft in drafts.items()
    }


def _values(draft: _Draft, path: Path) -> dict[str, Value]:
    return {key: _value(parts, path, draft.lines[key]) for key, parts in draft.parts.items()}


def _value(parts: list[str], path: Path, number: int) -> Value:
    text = parts[0] if len(parts) == 1 else "\n".join(parts).rstrip()
    if not text.startswith("\n"):
        return text
    block = {}
    for line in text.splitlines():
        if line := line.strip():
            key, separator, value = line.partition("=")
            if not separator:
                raise _error(path, number, "the indented lines below this key must be `key = value` each")
            block[key.strip()] = value.strip()
    return block


def _error(path: Path, line: int, problem: str) -> ConfigError:
    return ConfigError(f"{place(path, line)}: {problem}")
