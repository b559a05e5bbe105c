"""The terminal that a command was started in, by name: what a program needs that asks a person by another process.

gpg hands GPG_TTY on to its agent, whose pinentry opens it (gpg-agent(1)). Without the variable it looks at its standard
input alone, which is a pipe where we run it.
"""

import os
import sys
from collections.abc import Mapping

#: What gpg calls the terminal.
VARIABLE = "GPG_TTY"


def added(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment with the caller's terminal in GPG_TTY, where that names none and there is one."""
    if _is_terminal(environment.get(VARIABLE, "")):
        return dict(environment)
    found = name()
    return {**environment, VARIABLE: found} if found else dict(environment)


def name() -> str | None:
    """The terminal of this process; None where it has none."""
    if sys.platform == "win32":
        return None
    for descriptor in (0, 1, 2):
        try:
            return os.ttyname(descriptor)
        except OSError:
            continue
    import psutil

    try:
        # The controlling terminal by its own name: `/dev/tty` would be another in another process.
        return psutil.Process().terminal()
    except psutil.Error:
        return None


def _is_terminal(path: str) -> bool:
    """Whether this is a terminal of ours; a start-up file without one leaves `not a tty` in the variable."""
    if not path.startswith("/"):
        return False
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.isatty(descriptor)
    finally:
        os.close(descriptor)
