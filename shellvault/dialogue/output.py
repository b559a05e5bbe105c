"""What the commands print: results on stdout, everything else on stderr, one line each."""

import io
import os
import sys

from shellvault.display import printable
from shellvault.errors import ShellvaultError


class _Closed(io.TextIOWrapper):
    """Stands for an output that the parent process has closed (`>&-`)."""

    def __init__(self) -> None:
        super().__init__(open(os.devnull, "wb"), encoding="utf-8")  # noqa: PTH123, SIM115 - kept for life


def replace_closed() -> None:
    """Replaces a closed stdout or stderr: print() would write to stdout, which a shell may evaluate, for stderr."""
    if sys.stdout is None:
        sys.stdout = _Closed()
    if sys.stderr is None:
        sys.stderr = _Closed()


def is_closed() -> bool:
    """Whether there is no stdout."""
    return isinstance(sys.stdout, _Closed)


def note(message: str) -> None:
    """Writes a note to stderr."""
    _say(f"shellvault: {printable(message, None)}")


def complain(message: str) -> None:
    """Writes to stderr what went wrong and what to do; nothing if the message is empty."""
    if not message:
        return
    _say(f"shellvault: error: {printable(message, None)}")


def _say(line: str) -> None:
    from shellvault.dialogue import folding, progress

    if sys.stderr.isatty():
        line = folding.for_screen(line, sys.stderr.fileno())
    with progress.paused():
        print(line, file=sys.stderr, flush=True)


class OutputError(ShellvaultError):
    """A result could not be written to stdout."""


class ReaderGoneError(ShellvaultError):
    """The reader of the result has gone; a shell would report 128 + SIGPIPE."""

    exit_status = 141


class LeftError(ShellvaultError):
    """A person has left a question without an answer; no message is needed."""

    exit_status = 130


def prose(text: str, indent: str | None = None) -> None:
    """Writes a result in prose: on a terminal its lines are broken between words (see `folded`)."""
    from shellvault.dialogue import folding

    result(folding.for_screen(text, sys.stdout.fileno(), indent) if sys.stdout.isatty() else text)


def result(text: str) -> None:
    """Writes a command's result to stdout, byte for byte (undecodable bytes pass through)."""
    if isinstance(sys.stdout, _Closed):
        raise OutputError("the result cannot be written: stdout is closed")
    try:
        sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
        sys.stdout.buffer.flush()
    except BrokenPipeError as error:
        raise ReaderGoneError from error
    except OSError as error:
        raise OutputError(f"the result cannot be written: {error.strerror}") from error
