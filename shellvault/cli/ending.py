"""How a command ends: the one place where errors become a line on stderr and an exit status."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from shellvault.dialogue.output import OutputError, ReaderGoneError, complain
from shellvault.errors import ShellvaultError


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
        complain(f"internal error: {describe_origin(error)}; please report it with the command you ran")
        return 1


def drop_output() -> None:
    """Keeps the interpreter from writing, at its end, what could not be written before."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def describe_origin(error: Exception) -> str:
    """Names an unexpected error by type and place, without its text, which could hold a secret."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    if frame is None:
        return type(error).__name__
    return f"{type(error).__name__} at {Path(frame.tb_frame.f_code.co_filename).name}:{frame.tb_lineno}"
