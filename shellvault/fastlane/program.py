"""`exec` on the warm path: this process becomes the program, which sees the same as without us.

Imports only what a bare interpreter holds. For a program that cannot run, the full command line says why.
"""

import _signal  # type: ignore[import-not-found]  # the builtin half of `signal`, which would import enum
import posix

from shellvault.fastlane import request
from shellvault.fastlane.connection import read

#: No program inherits these (variables.PRIVATE_VARIABLES; that module would import dataclasses).
PRIVATE_VARIABLES = (
    "SHELLVAULT_FILE_PASSPHRASE",
    "AWS_VAULT_FILE_PASSPHRASE",
    "AWS_VAULT_OP_CONNECT_TOKEN",
    "AWS_VAULT_OP_SERVICE_ACCOUNT_TOKEN",
)

#: How every shim begins.
SHIM = b"#!/bin/sh\n# shellvault shim\n"

Environment = dict[str, str]


def become(program: list[str], file: str, environment: Environment) -> None:
    """Turns into the program in `file`. Returns only when that cannot be done."""
    ignored = [
        number
        for number in (_signal.SIGPIPE, _signal.SIGXFSZ)
        if _signal.getsignal(number) == _signal.SIG_IGN
    ]
    # Python ignores these, and a program would inherit that: a writer to a closed pipe would never end.
    for number in ignored:
        _signal.signal(number, _signal.SIG_DFL)
    try:
        posix.execve(file, program, environment)
    except (OSError, ValueError):
        for number in ignored:
            _signal.signal(number, _signal.SIG_IGN)


def find(name: str, path: str, *, passes_shims: bool = False) -> str | None:
    """The file that `shutil.which` finds for a command's name on `path` (as in PATH); None when there is none.

    With `passes_shims` no shim of ours is found, whatever folder it was linked or copied to.
    """
    if "/" in name:
        return name
    for folder in path.split(":") if path else []:
        candidate = f"{folder.rstrip('/')}/{name}" if folder else name
        try:
            # inode(7): the file type's bits, of a folder.
            runs = (
                posix.access(candidate, posix.X_OK) and posix.stat(candidate).st_mode & 0o170000 != 0o040000
            )
            if runs and not (passes_shims and beginning(candidate).startswith(SHIM)):
                return candidate
        except (OSError, ValueError):
            continue
    return None


def beginning(file: str) -> bytes:
    """The first bytes of a file: what runs it, and whether it is a shim; b"" for one that cannot be read."""
    try:
        return read(file, limit=128)
    except OSError:
        return b""


def changed(environment: Environment, values: Environment, unset: list[str]) -> Environment:
    """The environment with `values` set, and without `unset` and what no program may read."""
    # Settings of the previous session's profile are not for this one.
    left_out = (*PRIVATE_VARIABLES, *environment.get("SHELLVAULT_VARIABLES", "").split())
    kept = {name: value for name, value in environment.items() if name not in left_out}
    kept.update(values)
    for name in unset:
        kept.pop(name, None)
    return kept


def parse_change(text: bytes) -> tuple[Environment, list[str]] | None:
    """What an `exec` answer sets and unsets; None for a text that is no such answer.

    The answer has one line a variable, `NAME=value` (escaped as in a request) or `-NAME`.
    """
    values: Environment = {}
    unset: list[str] = []
    try:
        for line in text.decode("ascii").splitlines():
            name, separator, value = line.partition("=")
            if separator:
                values[name] = request.unescape(value)
            elif line.startswith("-"):
                unset.append(line[1:])
            else:
                return None
    except ValueError:
        return None
    return values, unset
