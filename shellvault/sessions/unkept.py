"""The message for a session or sign-in that could not be kept for later."""

import errno
import os

from shellvault import locations
from shellvault.errors import ShellvaultError
from shellvault.sessions.model import Prompter

#: In the folder of the agent's socket, which is removed after the last logout: a read-only disk was reported.
_TOLD = "read-only-shown"


def tell(prompter: Prompter, what: str, error: ShellvaultError) -> None:
    """Says why `what` could not be kept. A read-only disk, which may be intended, is reported once per login."""
    if not _is_read_only(error) or _is_first():
        prompter.tell(f"{what} could not be kept for later: {error}")


def _is_read_only(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) and error.errno == errno.EROFS:
            return True
        error = error.__cause__
    return False


def _is_first() -> bool:
    """Whether this is the first report, and notes it. Where it cannot be noted, each report is the first."""
    try:
        path = locations.runtime_directory(os.environ) / _TOLD
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return False
    except (OSError, ShellvaultError):
        return True
    return True
