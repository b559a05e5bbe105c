"""The AWS config file and its profiles, read as AWS's own tools read it (see `grammar`).

configparser is not used: messages need the line of every section and key, and a thousand profiles are read in a
third of its time.
"""

import errno
import os
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shellvault.display import printable
from shellvault.errors import ConfigError
from shellvault.files import stamp
from shellvault.profiles import grammar
from shellvault.profiles.grammar import Value

#: More than any real config file; a larger one is a mistake (or a link to /dev/zero).
MAX_BYTES = 16 * 1024 * 1024

_BOM = "\ufeff"

#: Nanoseconds after which another change of a file has another time (file systems with one of 2 s are the coarsest).
SETTLED_NS = 2_000_000_000

#: The path and stamp of the file that was parsed last, and what came of it.
_last: dict[str, tuple[Any, "ConfigFile"]] = {}


@dataclass(frozen=True, slots=True)
class Section:
    """One `[header]` of the file and its keys. Values may hold secrets, so no repr shows them."""

    header: str
    line: int
    values: Mapping[str, Value] = field(repr=False)
    lines: Mapping[str, int] = field(repr=False)
    """The line of each key."""
    notes: tuple[str, ...] = ()
    """What the AWS CLI reads differently, one line each."""
    problem: str | None = None
    """Its first line that cannot be understood: an error when the section is used."""


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A config file as the SDKs and the AWS CLI understand it."""

    path: Path
    exists: bool
    profiles: Mapping[str, Section] = field(default_factory=dict)
    sso_sessions: Mapping[str, Section] = field(default_factory=dict)
    services: Mapping[str, Section] = field(default_factory=dict)
    others: Mapping[str, Section] = field(default_factory=dict)
    """All other sections, by their headers."""
    notes: tuple[str, ...] = ()
    """Notes on lines outside these sections, one line each."""

    @property
    def profile_names(self) -> tuple[str, ...]:
        """The names of all profiles, in the order of the file."""
        return tuple(self.profiles)

    def section(self, name: str) -> Mapping[str, Value]:
        """The keys of profile `name` without inheritance; empty for a profile that is not there."""
        section = self.profiles.get(name)
        return section.values if section else {}

    def remarks(self) -> list[str]:
        """Everything that is odd about the whole file, one line each."""
        groups = (self.profiles, self.sso_sessions, self.services)
        sections = [section for group in groups for section in group.values()]
        problems = [
            f"{section.problem}, and this section is not usable" for section in sections if section.problem
        ]
        return [*problems, *self.notes, *(note for section in sections for note in section.notes)]

    def at(self, line: int) -> str:
        """`FILE:LINE`, for messages."""
        return place(self.path, line)


def place(path: Path, line: int) -> str:
    """`FILE:LINE`, for messages."""
    return f"{printable(str(path))}:{line}"


def load(path: Path) -> ConfigFile:
    """Reads the config file; one that does not exist is an empty one. One that has not changed is parsed once.

    Raises ConfigError for anything but a readable file.
    """
    # Stamped before it is read: a change in between makes the result old at once.
    found = stamp(str(path))
    known = _last.get("file")
    if known and known[0] == (path, found):
        return known[1]
    data = read_bytes(path)
    config = ConfigFile(path, exists=False) if data is None else parse(data, path)
    # One that has just been written may be written again with the same stamp.
    if found and time.time_ns() - found[0] > SETTLED_NS:
        _last["file"] = (path, found), config
    return config


def read_bytes(path: Path) -> bytes | None:
    """The bytes of the file, None when there is none. Raises ConfigError for anything but a readable file."""
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
    """Parses the bytes of a config file; `path` is for messages. Bad lines become notes and problems, not errors."""
    text = decode(data)
    drafts = grammar.read(text.removeprefix(_BOM), lambda line: place(path, line))
    if text.startswith(_BOM):
        drafts.notes.insert(
            0, f"{place(path, 1)}: the AWS CLI refuses a file that begins with a byte order mark"
        )
    common = drafts.sections.pop(("common", "", False), None)
    common_values = grammar.values(drafts, common) if common else {}
    common_lines = common.lines if common else {}
    groups: dict[str, dict[str, Section]] = {"profile": {}, "sso-session": {}, "services": {}, "other": {}}
    for (kind, name, _), draft in _without_shadowed_default(drafts).items():
        found = common_values | grammar.values(drafts, draft)
        groups[kind][name] = Section(
            draft.header, draft.line, found, common_lines | draft.lines, tuple(draft.notes), draft.problem
        )
    profiles, sso_sessions, services, others = groups.values()
    return ConfigFile(path, True, profiles, sso_sessions, services, others, tuple(drafts.notes))


def _without_shadowed_default(drafts: grammar.Drafts) -> dict[grammar.Name, grammar.Draft]:
    """The sections; a `[profile default]` replaces `[default]`, in any order."""
    sections = dict(drafts.sections)
    default = sections.get(("profile", "default", False))
    bare = sections.pop(("profile", "default", True), None) if default else None
    if default and bare:
        counts = "it alone counts, the AWS CLI reads the later of the two"
        drafts.note(default, default.line, f"[profile default] and [default] of line {bare.line}: {counts}")
    return sections


def decode(data: bytes) -> str:
    """The text of the file, a byte order mark included. `encode` restores bytes that are not UTF-8."""
    return data.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """The reverse of `decode`."""
    return text.encode("utf-8", "surrogateescape")
