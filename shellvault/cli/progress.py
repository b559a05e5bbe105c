"""What a command waits for, on stderr: shown after a second, only on a terminal, and gone when it is done."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from shellvault.profiles.parse import printable
from shellvault.waiting import COUNTED

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

#: Seconds after which a person wonders.
DELAY = 1.0


class _Progress:
    """One wait. The line is drawn by a thread of its own, since the command is waiting."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._since = time.monotonic()
        self._changing = threading.RLock()
        self._timer: threading.Timer | None = None
        self._line: Live | None = None
        self._pauses = 0
        self._arm(DELAY - _age())

    def waits_for(self, what: str) -> None:
        """What it is now; a line that is shown changes."""
        with self._changing:
            if what != self._what:
                self._what, self._since = what, time.monotonic()
            if self._line:
                self._line.update(self._text(), refresh=True)

    def pause(self) -> None:
        """Takes the line away, for somebody else who writes to the terminal."""
        with self._changing:
            self._pauses += 1
            if self._timer:
                self._timer.cancel()
            if self._line:
                self._line.stop()
                self._line = None

    def resume(self) -> None:
        """Shows it again after a while; what follows an answer is a wait of its own."""
        with self._changing:
            self._pauses -= 1
            if not self._pauses:
                self._arm(DELAY)

    def _arm(self, seconds: float) -> None:
        self._timer = threading.Timer(max(0.0, seconds), self._show)
        self._timer.daemon = True
        self._timer.start()

    def _show(self) -> None:
        from rich.console import Console
        from rich.live import Live

        with self._changing:
            if self._pauses or self._line:
                return
            # It stands still, and the cursor stays: a helper process may be asking on the same terminal.
            console = Console(stderr=True)
            console.show_cursor = lambda show=True: False  # type: ignore[method-assign]
            self._line = Live(
                self._text(),
                console=console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._line.start(refresh=True)
            self._tick()

    def _tick(self) -> None:
        """Counts the seconds, where nothing else can be writing to the terminal meanwhile."""
        with self._changing:
            if not self._line:
                return
            if self._what.startswith(COUNTED):
                self._line.update(self._text(), refresh=True)
            self._timer = threading.Timer(1.0, self._tick)
            self._timer.daemon = True
            self._timer.start()

    def _text(self) -> "Text":
        from rich.text import Text

        seconds = int(time.monotonic() - self._since)
        counted = f", {seconds} s" if seconds and self._what.startswith(COUNTED) else ""
        return Text(
            f"shellvault: waiting for {printable(self._what)}{counted} …",
            "dim",
            overflow="ellipsis",
            no_wrap=True,
        )


_current: _Progress | None = None


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Shows `what` is waited for, or what `waits_for` says later, while the block takes long."""
    global _current
    if _current or not sys.stderr.isatty():
        yield
        return
    _current = progress = _Progress(what)
    try:
        yield
    finally:
        progress.pause()
        _current = None


def waits_for(what: str) -> None:
    """Says what is waited for from now on."""
    if _current:
        _current.waits_for(what)


@contextmanager
def paused() -> Iterator[None]:
    """Keeps the terminal free for a block that asks or tells somebody something."""
    progress = _current
    if progress is None:
        yield
        return
    progress.pause()
    try:
        yield
    finally:
        progress.resume()


def _age() -> float:
    """For how many seconds this process, the fast lane's part included, has run."""
    import psutil

    try:
        return max(0.0, time.time() - psutil.Process(os.getpid()).create_time())
    except psutil.Error:
        return 0.0
