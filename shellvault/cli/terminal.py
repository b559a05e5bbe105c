"""Questions on the terminal itself: stdout is evaluated by a shell and stdin may be a pipe."""

import os
import termios
from collections.abc import Iterator
from contextlib import contextmanager

from shellvault.errors import NeedsPersonError

TERMINAL = "/dev/tty"


@contextmanager
def opened() -> Iterator[int]:
    """The descriptor of the controlling terminal. Raises NeedsPersonError where there is none."""
    try:
        descriptor = os.open(TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise NeedsPersonError("a question must be answered and there is no terminal to ask on") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def is_available() -> bool:
    """Whether this process has a terminal to ask on."""
    try:
        with opened():
            return True
    except NeedsPersonError:
        return False


def ask(prompt: str, *, hidden: bool = False) -> str:
    """Asks for one line; `hidden` turns the echo off, and back on whatever happens.

    Raises NeedsPersonError when there is no terminal or it is closed instead of answered.
    """
    with opened() as terminal:
        os.write(terminal, prompt.encode("utf-8", "surrogateescape"))
        if hidden:
            with _echo_off(terminal):
                line = _read_line(terminal)
            os.write(terminal, b"\n")
        else:
            line = _read_line(terminal)
    if not line:
        raise NeedsPersonError("the terminal was closed before the question was answered")
    return line.decode("utf-8", "surrogateescape").rstrip("\r\n")


def _read_line(terminal: int) -> bytes:
    line = b""
    while not line.endswith(b"\n") and (chunk := os.read(terminal, 4096)):
        line += chunk
    return line


@contextmanager
def _echo_off(terminal: int) -> Iterator[None]:
    before = termios.tcgetattr(terminal)
    silent = list(before)
    silent[3] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSAFLUSH, silent)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)


def confirm(question: str) -> bool:
    """Asks a yes-or-no question; anything but y or yes is no."""
    return ask(f"{question} (y|N) ").strip().lower() in ("y", "yes")
