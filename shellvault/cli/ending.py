"""How a command ends: the one place where errors become a line on stderr and an exit status."""

import os
import sys
from collections.abc import Callable

from shellvault.dialogue.output import OutputError, ReaderGoneError, complain
from shellvault.errors import ShellvaultError
from shellvault.unforeseen import described


def ended(do: Callable[[], object]) -> int:
    """Does it and returns the exit status: the number that it returns, else 0. No error becomes a traceback."""
    try:
        result = do()
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except ReaderGoneError as error:
        drop_output()
        return error.exit_status
    except OutputError as error:
        drop_output()
        complain(str(error))
        return error.exit_status
    except ShellvaultError as error:
        complain(str(error))
        return error.exit_status
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130
    except Exception as error:
        complain(described(error))
        return 1


def drop_output() -> None:
    """Keeps the interpreter from writing, at its end, what could not be written before."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
