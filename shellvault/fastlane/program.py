"""`exec` on the warm path: this process becomes the program, which gets what it would have got without us.

Imports only what a bare interpreter holds. What cannot be run is left to the full command line, to say why.
"""

import _signal  # type: ignore[import-not-found]  # the builtin half of `signal`, which would import enum
import posix
import sys

from shellvault.fastlane import request

#: No program inherits these (variables.PRIVATE_VARIABLES, in bytes; that module would import dataclasses).
PRIVATE_VARIABLES = (b"SHELLVAULT_FILE_PASSPHRASE", b"AWS_VAULT_FILE_PASSPHRASE")


def become(program: list[str], text: bytes, path: str) -> None:
    """Turns into the program, found on `path` (as in PATH), with an `exec` answer applied to the environment.

    Returns only when that cannot be done.
    """
    found = find(program[0], path)
    environment = changed_environment(text)
    if found is None or environment is None:
        return
    ignored = [
        number
        for number in (_signal.SIGPIPE, _signal.SIGXFSZ)
        if _signal.getsignal(number) == _signal.SIG_IGN
    ]
    # Python ignores these, and a program would inherit that: a writer to a closed pipe would never end.
    for number in ignored:
        _signal.signal(number, _signal.SIG_DFL)
    try:
        posix.execve(found, program, environment)
    except (OSError, ValueError):
        for number in ignored:
            _signal.signal(number, _signal.SIG_IGN)


def find(name: str, path: str) -> str | None:
    """The file that `shutil.which` finds for a command's name; None when there is none."""
    if "/" in name:
        return name
    for folder in path.split(":") if path else []:
        candidate = f"{folder.rstrip('/')}/{name}" if folder else name
        try:
            # inode(7): the file type's bits, of a folder.
            if posix.access(candidate, posix.X_OK) and posix.stat(candidate).st_mode & 0o170000 != 0o040000:
                return candidate
        except (OSError, ValueError):
            continue
    return None


def changed_environment(text: bytes) -> dict[bytes, bytes] | None:
    """This process's environment with an `exec` answer applied; None for a text that is no such answer.

    The answer has one line a variable, `NAME=value` (escaped as in a request) or `-NAME`.
    """
    encoding = sys.getfilesystemencoding()
    environment = {name: value for name, value in posix.environ.items() if name not in PRIVATE_VARIABLES}
    try:
        for line in text.decode("ascii").splitlines():
            name, separator, value = line.partition("=")
            if separator:
                environment[name.encode()] = request.unescape(value).encode(encoding, "surrogateescape")
            elif line.startswith("-"):
                environment.pop(line[1:].encode(), None)
            else:
                return None
    except ValueError:
        return None
    return environment
