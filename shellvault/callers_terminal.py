"""The name of the terminal that a command was started in, for programs that ask a person in another process.

gpg passes GPG_TTY to its agent, and the agent's pinentry opens that terminal (gpg-agent(1)). Without the variable, gpg
uses its standard input, which is a pipe here.
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
