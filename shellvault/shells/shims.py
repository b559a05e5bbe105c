"""Shims: small scripts that replace a program on PATH and give it a session, for callers that are no shell."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shellvault import files, locations
from shellvault.errors import ShellvaultError, UsageError
from shellvault.shells import render

#: The second line of every shim (the first names the interpreter): it identifies a shim.
MARK = b"# shellvault shim\n"

_PROGRAM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")


@dataclass(frozen=True, slots=True)
class Shim:
    """A shim that is there."""

    program: str
    path: Path


def folder(environment: Mapping[str, str]) -> Path:
    """The folder for PATH, made on demand. Raises ShellvaultError when it is not ours alone."""
    return locations.private_directory(locations.state_directory(environment) / "shims")


def add(directory: Path, program: str, profile: str | None = None) -> Path:
    """Writes the shim for `program` into `directory`; with `profile`, the one to use when nothing names another.

    Raises:
        UsageError: `program` is no name of a program.
        ShellvaultError: there is a file of that name that is no shim, or it cannot be written.
    """
    if not _PROGRAM.fullmatch(program):
        raise UsageError(
            f"{program!a} is not the name of a program: use letters, digits, `_`, `.`, `+` and `-`"
        )
    path = directory / program
    text = render.snippet("bash", "shim", program=program, profile=profile, **render.starting("bash"))
    if path.exists() and not is_shim(path):
        raise ShellvaultError(f"{str(path)!a} is not a shim of ours: move it away first")
    try:
        files.replace(path, text.encode("utf-8", "surrogateescape"), 0o755)
    except OSError as error:
        raise ShellvaultError(
            f"{str(path)!a} cannot be written ({error.strerror}): make the folder writable"
        ) from error
    return path


def remove(directory: Path, program: str) -> Path:
    """Deletes the shim for `program`. Raises ShellvaultError when there is none."""
    path = directory / program
    if not _PROGRAM.fullmatch(program) or not is_shim(path):
        raise ShellvaultError(f"there is no shim for {program!a}: `shellvault shim list` shows them")
    path.unlink()
    return path


def installed(directory: Path) -> list[Shim]:
    """The shims in `directory`, by name."""
    return [Shim(path.name, path) for path in sorted(directory.iterdir()) if is_shim(path)]


def is_shim(path: Path) -> bool:
    """Whether the file is a shim of ours, wherever it was copied or linked to."""
    try:
        with path.open("rb") as stream:
            return stream.readline(80) == b"#!/bin/sh\n" and stream.readline(80) == MARK
    except OSError:
        return False
