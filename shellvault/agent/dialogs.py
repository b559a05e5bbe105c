"""Dialogs that put a question about a caller to the person, on a display of the person's own processes.

Neither the display, nor its bus, nor the program that shows the dialog is ever taken from what asks: the environment is
that of a shell of the person's, and the program is one that only root can change. Imported when first needed.
"""

import html
import os
import signal
import socket
import stat
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from shellvault.actors import Actor, Process, words_of
from shellvault.agent.loop import Loop
from shellvault.agent.processes import is_alive
from shellvault.agent.workers import reap
from shellvault.callers import NO_SECRETS
from shellvault.display import printable

#: The programs that show dialogs, the preferred ones first. pinentry's own name may be that of its terminal's.
PROGRAMS = (
    "zenity",
    "kdialog",
    "pinentry-gnome3",
    "pinentry-qt",
    "pinentry-gtk-2",
    "pinentry-qt5",
    "osascript",
)

#: What such a program needs of the environment of a person's shell; one of DISPLAYS has to be there.
DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")
_NEEDED = (
    *DISPLAYS,
    *("DBUS_SESSION_BUS_ADDRESS", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "XAUTHORITY"),
    *("XDG_CURRENT_DESKTOP", "XDG_DATA_DIRS", "XDG_RUNTIME_DIR", "XDG_SESSION_TYPE"),
)

#: The owner of the programs that are trusted, and where they are looked for besides the person's PATH.
TRUSTED = 0
_PLACES = "/usr/local/bin:/usr/bin:/bin:/run/current-system/sw/bin"

#: The most bytes of an answer.
_LIMIT = 4096

#: Seconds of "for 15 minutes", and those of "until it ends": the permit ends with the program before.
_WHILE, _RUN = 900.0, 12 * 3600.0


class Answer(NamedTuple):
    """One answer of a dialog."""

    word: str
    """What the program prints, and what a person types in pinentry."""
    text: str
    """What is shown; `{program}` is what asks."""
    is_yes: bool = True
    seconds: float | None = None
    """How long it is allowed; None: once."""
    narrowing: Mapping[str, str] = {}
    is_always: bool = False
    """Of a refusal: whether it is for all that the program asks for."""


#: The first one is where a dialog's cursor is: a key that was meant for another window allows nothing.
ANSWERS = (
    Answer("no", "No", is_yes=False),
    Answer("once", "Yes, once"),
    Answer("15m", "Yes, for 15 minutes", seconds=_WHILE),
    Answer("run", "Yes, until {program} ends", seconds=_RUN),
    Answer("read-only", "Read-only, for 15 minutes", seconds=_WHILE, narrowing={"read-only": NO_SECRETS}),
    Answer("never", "Never for {program}", is_yes=False, is_always=True),
)


class Place(NamedTuple):
    """Where a dialog can be shown."""

    program: str
    """A name of PROGRAMS."""
    path: str
    environment: dict[str, str]


def place_for(asker: Actor, last: Sequence[Process], actor_of: Callable[[int], Actor]) -> Place | None:
    """Where the person is, and what asks is not: None where no such display, or no program for it, is known.

    `last` is the chain of the person that was seen last. The shells above what asks come first.
    """
    ends = asker.chain.index(asker.root) + 1 if asker.root in asker.chain else len(asker.chain)
    asking, above = asker.chain[:ends], asker.chain[ends:]
    # A person below what asks has its display from there.
    seen = () if {asker.root, *asking}.intersection(last) else last
    for process in (*above, *seen):
        if not is_alive(process) or not actor_of(process.pid).is_person:
            continue
        words = words_of(process.pid)
        environment = {name: words.environment[name] for name in _NEEDED if words.environment.get(name)}
        if sys.platform != "darwin" and not any(name in environment for name in DISPLAYS):
            continue
        path = f"{words.environment.get('PATH', '')}:{_PLACES}"
        for program in PROGRAMS:
            if found := _trusted(program, path):
                return Place(program, found, {**environment, "PATH": _PLACES})
    return None


def _trusted(program: str, path: str) -> str | None:
    """The program's real path, where only root can have put what runs there."""
    for folder in path.split(":"):
        if folder.startswith("/"):
            with suppress(OSError):
                real = os.path.realpath(f"{folder}/{program}", strict=True)
                status = os.stat(real)  # noqa: PTH116 - no Path is needed
                is_safe = status.st_uid == TRUSTED and not status.st_mode & 0o022
                if is_safe and stat.S_ISREG(status.st_mode) and os.access(real, os.X_OK):
                    return real
    return None


def text_of(about: Iterable[str], folder: str, names: Iterable[str], reason: str) -> str:
    """The question in lines: the program, what it wants, from where and why."""
    lines = [*about, f"Folder: {printable(folder) or '?'}", f"Programs: {printable(' < '.join(names))}"]
    return "\n".join([*lines, *([f"Reason: {printable(reason)}"] if reason else [])])


def command(program: str, text: str, asker: str) -> tuple[list[str], bytes]:
    """The arguments that show a question with ANSWERS, and what the program reads. Each prints the answer's word."""
    rows = [(answer.word, answer.text.format(program=asker)) for answer in ANSWERS]
    if program == "zenity":
        # It reads markup, and backslashes as escapes.
        shown = html.escape(text, quote=False).replace("\\", "\\\\")
        columns = ["--column=word", "--column=Answer", "--hide-column=1", "--print-column=1", "--hide-header"]
        size = ["--width=520", "--height=400"]
        return ["--list", "--title=shellvault", f"--text={shown}", *columns, *size, *sum(rows, ())], b""
    if program == "kdialog":
        # Qt takes a text with tags for HTML.
        shown = f"<qt>{html.escape(text, quote=False).replace(chr(10), '<br>')}</qt>"
        return ["--title", "shellvault", "--menu", shown, *sum(rows, ())], b""
    if program == "osascript":
        # Text goes as arguments, never as part of the script.
        script = (
            "on run argv\nset answers to items 2 thru -1 of argv\n"
            'choose from list answers with title "shellvault" with prompt (item 1 of argv) '
            "default items {item 1 of answers}\nend run"
        )
        return ["-e", script, text, *(shown for _, shown in rows)], b""
    words = "\n".join(f"{word}: {shown}" for word, shown in rows)
    asked = _assuan(f"{text}\n\nType one of these words:\n{words}")
    lines = ("SETTITLE shellvault", f"SETDESC {asked}", "SETPROMPT Answer:", "GETPIN", "BYE")
    return [], "".join(f"{line}\n" for line in lines).encode()


def answer_of(program: str, printed: bytes, asker: str) -> Answer | None:
    """The answer that a program has printed; None for a dialog that was closed, and for anything else."""
    said = printed.decode("utf-8", "replace").strip()
    if program.startswith("pinentry"):
        lines = [line[2:].strip().lower() for line in said.splitlines() if line.startswith("D ")]
        said = lines[0] if len(lines) == 1 else ""
    if program == "osascript":
        said = next((a.word for a in ANSWERS if a.text.format(program=asker) == said), "")
    return next((answer for answer in ANSWERS if answer.word == said), None)


def _assuan(text: str) -> str:
    """One line of Assuan: `%` and control characters as `%XX`."""
    return "".join(f"%{ord(char):02X}" if char == "%" or ord(char) < 32 else char for char in text)


class Dialog:
    """One open dialog."""

    def __init__(
        self, loop: Loop, place: Place, text: str, asker: str, answered: Callable[[Answer | None], None]
    ) -> None:
        """`answered` is called once, unless it is closed before: None where the person has closed it.

        Raises OSError where the program cannot be started.
        """
        self._loop, self._place, self._asker, self._answered = loop, place, asker, answered
        self._printed = b""
        arguments, said = command(place.program, text, asker)
        self._socket, its = socket.socketpair()
        with its:
            if said:
                self._socket.send(said)
            files: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
                (os.POSIX_SPAWN_DUP2, its.fileno(), 0),
                (os.POSIX_SPAWN_DUP2, its.fileno(), 1),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ]
            try:
                self._pid = os.posix_spawn(
                    place.path,
                    [place.program, *arguments],
                    place.environment,
                    file_actions=files,
                    setpgroup=0,
                )
            except OSError:
                self._socket.close()
                raise
        self._socket.setblocking(False)
        loop.watch(self._socket, self._read)

    def close(self) -> None:
        """Takes it from the screen."""
        if self._socket.fileno() < 0:
            return
        self._loop.unwatch(self._socket)
        self._socket.close()
        with suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        reap(self._loop, [self._pid])

    def _read(self) -> None:
        try:
            data = self._socket.recv(_LIMIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._printed += data
        if data and len(self._printed) <= _LIMIT:
            return
        self.close()
        self._answered(answer_of(self._place.program, self._printed, self._asker) if not data else None)
