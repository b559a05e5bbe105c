"""What a command waits for: shown on stderr after a second, only on a terminal, and erased when done."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from shellvault import threads
from shellvault.dialogue.folding import columns
from shellvault.display import printable
from shellvault.waiting import COUNTED

#: Seconds before the line is shown.
DELAY = 1.0

#: Erases the line (ECMA-48, EL).
_CLEARED = "\r\x1b[K"


class _Progress:
    """One wait. A thread draws the line, since the command itself waits."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._since = time.monotonic()
        self._changing = threading.RLock()
        self._timer: threading.Timer | None = None
        self._is_shown = False
        self._pauses = 0
        self._arm(DELAY - _age())

    def waits_for(self, what: str) -> None:
        """Sets the text; a visible line changes. An empty text is not shown."""
        with self._changing:
            if bool(what) != bool(self._what):
                self.resume() if what else self.pause()
            if what != self._what:
                self._what, self._since = what, time.monotonic()
            if self._is_shown:
                self._draw()

    def pause(self) -> None:
        """Erases the line, so that other code can write to the terminal."""
        with self._changing:
            self._pauses += 1
            if self._timer:
                self._timer.cancel()
            if self._is_shown:
                self._is_shown = False
                _write(_CLEARED)

    def resume(self) -> None:
        """Shows the line again after a while: the time after an answer is a new wait."""
        with self._changing:
            self._pauses -= 1
            if not self._pauses:
                self._arm(DELAY)

    def _arm(self, seconds: float) -> None:
        self._timer = threads.after(max(0.0, seconds), self._show)

    def _show(self) -> None:
        with self._changing:
            if not self._pauses and not self._is_shown:
                self._is_shown = True
                self._draw()
                self._tick()

    def _tick(self) -> None:
        """Counts the seconds, if nothing else can write to the terminal."""
        with self._changing:
            if not self._is_shown:
                return
            if self._what.startswith(COUNTED):
                self._draw()
            self._timer = threads.after(1.0, self._tick)

    def _draw(self) -> None:
        """Writes the line. Without rich: its import in this thread could clash with those of the command."""
        seconds = int(time.monotonic() - self._since)
        counted = f", {seconds} s" if seconds and self._what.startswith(COUNTED) else ""
        line = f"shellvault: waiting for {printable(self._what)}{counted} …"
        most = columns(sys.stderr.fileno()) - 1
        _write(_CLEARED + (line if len(line) <= most else f"{line[: most - 1]}…"))


def _write(text: str) -> None:
    with suppress(OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()


_current: _Progress | None = None


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Shows `what`, or a later text of `waits_for`, while the block takes long."""
    global _current
    # A dumb terminal cannot erase the line.
    if _current or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield
        return
    _current = progress = _Progress(what)
    try:
        yield
    finally:
        progress.pause()
        _current = None


def waits_for(what: str) -> None:
    """Sets what is waited for from now on."""
    if _current:
        _current.waits_for(what)


@contextmanager
def paused() -> Iterator[None]:
    """Keeps the terminal free for a block that asks or prints something."""
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
    """The seconds that this process has run, the fast lane's part included; 0 where that cannot be found out."""
    if sys.platform == "linux":
        # Importing psutil takes 10 ms.
        try:
            # proc_pid_stat(5), behind the name: the start since the boot, in ticks, is the twentieth field.
            ticks = int(Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()[19])
            return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))
        except (OSError, ValueError, IndexError):
            return 0.0
    import psutil

    try:
        return max(0.0, time.time() - psutil.Process(os.getpid()).create_time())
    except psutil.Error:
        return 0.0
