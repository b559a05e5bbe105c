"""Questions on the terminal itself: stdout is evaluated by a shell and stdin may be a pipe."""

import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any, NamedTuple

from shellvault.dialogue import folding, progress
from shellvault.display import printable
from shellvault.errors import NeedsPersonError
from shellvault.sessions.model import WithdrawnError

TERMINAL = "/dev/tty"

#: Seconds between two checks whether a background command is in the foreground.
_BACKGROUND_PAUSE = 0.5

#: Whether a hidden question was asked in this process. From then on nothing is echoed: a person may paste a secret
#: at the wrong question, such as the right one after an error.
_has_hidden = False

#: Seconds without a key after which a paste has ended, and seconds within which it must end.
_PASTE_PAUSE, _PASTE_PATIENCE = 0.1, 2.0


class Silent(NamedTuple):
    """Asks while the echo is off."""

    ask: Callable[[str], str]
    drop_paste: Callable[[], None]
    """Discards the rest of a paste."""


@contextmanager
def opened() -> Iterator[int]:
    """The descriptor of the controlling terminal. Raises NeedsPersonError where there is none."""
    try:
        descriptor = os.open(TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise NeedsPersonError("a question must be answered and there is no terminal to ask on") from error
    try:
        with progress.paused():
            yield descriptor
    finally:
        os.close(descriptor)


def path() -> str:
    """The terminal's own path if known: not every system can wait for keys on /dev/tty."""
    for descriptor in (0, 2):
        if os.isatty(descriptor):
            return os.ttyname(descriptor)
    return TERMINAL


def is_available() -> bool:
    """Whether this process has a terminal to ask on."""
    try:
        with opened():
            return True
    except NeedsPersonError:
        return False


def write(text: str) -> None:
    """Shows text on the terminal. Raises NeedsPersonError where there is none."""
    with opened() as terminal:
        os.write(terminal, folding.for_screen(text, terminal).encode("utf-8", "surrogateescape"))


def ask(
    prompt: str,
    *,
    hidden: bool = False,
    withdrawn: int | None = None,
    shown: Callable[[str], object] = lambda answer: False,
) -> str:
    """Asks for one line. `hidden` turns the echo off, and always back on.

    After a hidden question no other is echoed either. A complete answer is shown if `shown` says that it is no secret.

    Raises NeedsPersonError when there is no terminal or it is closed instead of answered, and WithdrawnError as soon
    as there is something to read from the descriptor `withdrawn`.
    """
    with opened() as terminal:
        if not (hidden or _has_hidden):
            return _asked(terminal, prompt, withdrawn)
        with _echo_off(terminal):
            if not hidden:
                _say_once_that_nothing_shows(terminal)
            answer = _asked(terminal, prompt, withdrawn)
        _write(terminal, f"{answer if not hidden and shown(answer) else ''}\n")
    return answer


def wait_for_enter(other: int, seconds: float) -> bool | None:
    """See `Prompter.wait_for_enter`: Enter on the terminal, while this process is in its foreground."""
    try:
        terminal = os.open(TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        readable = select.select([terminal, other], [], [], seconds)[0]
        if terminal not in readable or other in readable:
            return False
        if os.tcgetpgrp(terminal) != os.getpgrp():
            # In the background (`&`) the line is not for us, and reading it would stop this process (SIGTTIN).
            select.select([other], [], [], _BACKGROUND_PAUSE)
            return False
        try:
            return bool(os.read(terminal, 4096))
        except BlockingIOError:
            return False
    except OSError:
        # The terminal is gone.
        return None
    finally:
        os.close(terminal)


@cache
def _say_once_that_nothing_shows(terminal: int) -> None:
    _write(terminal, "What you type is not shown until you press Enter.\n")


@contextmanager
def silent() -> Iterator[Silent]:
    """Keeps the echo off for several questions, so that one paste that answers them all is never shown.

    Yields the function that asks one. The rest of the paste is discarded at the end. Raises NeedsPersonError as `ask`.
    """
    with opened() as terminal, _echo_off(terminal):
        yield Silent(partial(_asked, terminal), partial(_drop_paste, terminal))
        _drop_paste(terminal)


def _drop_paste(terminal: int) -> None:
    deadline = time.monotonic() + _PASTE_PATIENCE
    while select.select([terminal], [], [], _PASTE_PAUSE)[0] and time.monotonic() < deadline:
        if not os.read(terminal, 4096):
            break


def show(text: str) -> None:
    """Writes the text to the terminal. Raises NeedsPersonError where there is none."""
    with opened() as terminal:
        _write(terminal, text)


def _write(terminal: int, text: str) -> None:
    os.write(terminal, folding.for_screen(printable(text, None, keep="\n"), terminal).encode())


def _asked(terminal: int, prompt: str, withdrawn: int | None = None) -> str:
    _write(terminal, printable(prompt, None))
    line = _read_line(terminal, withdrawn)
    if not line:
        raise NeedsPersonError("the terminal was closed before the question was answered")
    return line.decode("utf-8", "surrogateescape").rstrip("\r\n")


def _read_line(terminal: int, withdrawn: int | None = None) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        if withdrawn is not None and withdrawn in select.select([terminal, withdrawn], [], [])[0]:
            os.write(terminal, b"\n")
            raise WithdrawnError
        chunk = os.read(terminal, 4096)
        if not chunk:
            break
        line += chunk
    return line


@contextmanager
def _echo_off(terminal: int) -> Iterator[None]:
    import termios  # Windows lacks it, but imports this module

    from shellvault.hardening import forbid_tracing

    global _has_hidden
    _has_hidden = True
    before = termios.tcgetattr(terminal)
    silent = list(before)
    silent[3] &= ~termios.ECHO

    def silence(*_: object) -> None:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, silent)

    def end(number: int, _: object) -> None:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    forbid_tracing()
    # A shell turns the echo on again for a command that was stopped (^Z) and goes on.
    handlers: dict[int, Any] = {signal.SIGCONT: signal.signal(signal.SIGCONT, silence)}
    for ending in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        # A process that ignores it (nohup) must keep ignoring it.
        if signal.getsignal(ending) == signal.SIG_DFL:
            handlers[ending] = signal.signal(ending, end)
    silence()
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def confirm(question: str) -> bool:
    """Asks a yes-or-no question; anything but y or yes is no."""
    return is_yes(ask(f"{question} (y|N) ", shown=_is_yes_or_no))


def is_yes(answer: str) -> bool:
    """Whether an answer to a yes-or-no question is a yes."""
    return answer.strip().lower() in ("y", "yes")


def _is_yes_or_no(answer: str) -> bool:
    return answer.strip().lower() in ("y", "yes", "n", "no")
