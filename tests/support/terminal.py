"""Real shells in a pseudo-terminal, driven as a person would: keys in, and what the screen shows.

Where a shell is told more than it answers, results travel through files (`value`, `printed`), not through the screen.
"""

import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pexpect
import psutil
import pyte

from tests.support.clients import need
from tests.support.home import Home

SHELLS = ("bash", "zsh", "fish", "powershell")
PROGRAMS = {"bash": "bash", "zsh": "zsh", "fish": "fish", "powershell": "pwsh"}

#: What a person types to enter a session of `work`, and to set the shell up, as the README says.
ENTER = {
    "bash": 'eval "$(shellvault env work)"',
    "zsh": 'eval "$(shellvault env work)"',
    "fish": "shellvault env work | source",
    "powershell": "shellvault env work | Out-String | Invoke-Expression",
}
INIT = {
    "bash": 'eval "$(shellvault init bash)"',
    "zsh": 'eval "$(shellvault init zsh)"',
    "fish": "shellvault init fish | source",
    "powershell": "shellvault init powershell | Out-String | Invoke-Expression",
}

#: Seconds within which any line of these tests is done, on a busy machine.
PATIENCE = 30.0

#: Rows and columns: a screen that people have, and one on which no line is ever broken.
USUAL, WIDE = (24, 80), (50, 4000)

#: A prompt that `picture_at_prompt` knows, and what sets it.
PROMPT = "$ "
PLAIN = {
    "bash": f"PS1='{PROMPT}'",
    "zsh": f"PS1='{PROMPT}'",
    "fish": f"function fish_prompt; echo -n '{PROMPT}'; end; function fish_greeting; end",
    "powershell": f"function prompt {{ '{PROMPT}' }}",
}

#: What programs ask a terminal (fish 4 at its start; pickers), and what one answers: device attributes, and
#: where the cursor is.
_DEVICE_QUERY, _DEVICE_ANSWER = "\x1b[c", "\x1b[?62;22c"
_CURSOR_QUERY, _CURSOR_ANSWER = "\x1b[6n", "\x1b[{};{}R"

_ESCAPES = re.compile(r"\x1b\[[0-9;?>=]*[a-zA-Z]|\x1b\][^\a\x1b]*(\a|\x1b\\)|\x1b[=>()][AB012]?|\r")


def program(shell: str) -> str | None:
    """The path of the shell's program, None where it is not installed."""
    return shutil.which(PROGRAMS[shell])


class Terminal:
    """One interactive shell in a home, with nothing but `start_up` in its start-up file."""

    def __init__(
        self,
        shell: str,
        home: Path,
        start_up: str,
        environment: Mapping[str, str],
        under: Sequence[str] = (),
        size: tuple[int, int] = WIDE,
    ) -> None:
        """`under` is a command that the shell is started by, with its arguments."""
        self.shell, self.home = shell, home
        self.screen = ""
        """All that was printed; a test may empty it."""
        self._waited_to = 0
        self._size = size
        self._all = ""
        self._lines = 0
        home.mkdir(parents=True, exist_ok=True)
        # Outside the home: no file may appear where the tests look.
        self._marks = Path(tempfile.mkdtemp(prefix="marks-", dir=home.parent))
        # .NET leaves sockets and pipes there when it is killed.
        self._temporary = tempfile.TemporaryDirectory(prefix="net-")
        path = str(need(PROGRAMS[shell]))
        arguments = _prepare(shell, home, start_up)
        self.process = pexpect.spawn(
            [*under, path][0],
            [*under, path, *arguments][1:],
            env={
                "HOME": str(home),
                "PATH": os.environ["PATH"],
                "TERM": "xterm-256color",
                "LANG": "C.UTF-8",
                **({"TMPDIR": self._temporary.name} if shell == "powershell" else {}),
                **environment,
            },
            cwd=str(home),
            encoding="utf-8",
            codec_errors="replace",
            dimensions=size,
            timeout=PATIENCE,
        )
        self.run("")

    def type(self, line: str) -> None:
        """Types the line and the Enter key, and waits for nothing."""
        self.press(line + ("\r" if self.shell == "fish" else "\n"))

    def press(self, keys: str) -> None:
        """Types the keys and nothing else."""
        self.process.send(keys)

    def run(self, line: str) -> None:
        """Types the line, and waits until the shell has come back to its prompt and taken another."""
        self._lines += 1
        mark = self._marks / str(self._lines)
        if line:
            self.type(line)
        self.type(self._write(mark))
        self.wait_until(mark.exists, f"a prompt after {line!r}")
        self.drain()

    def wait_for(self, pattern: str, timeout: float = PATIENCE) -> str:
        """What was printed before the regular expression, and after what was waited for before; no escapes."""
        found: list[re.Match[str]] = []

        def is_there() -> bool:
            # A test may have emptied the screen.
            self._waited_to = min(self._waited_to, len(self.screen))
            match = re.compile(pattern).search(self.screen, self._waited_to)
            found.extend([match] if match else [])
            return bool(match)

        self.wait_until(is_there, repr(pattern), timeout)
        before = self.screen[self._waited_to : found[0].start()]
        self._waited_to = found[0].end()
        return _ESCAPES.sub("", before)

    def finish(self, timeout: float = PATIENCE) -> str:
        """Waits until nothing but the shell runs; what was printed after what was waited for last, no escapes."""
        self.wait_until(lambda: not self.children(), "an end", timeout)
        self.run("")
        printed = self.screen[self._waited_to :]
        self._waited_to = len(self.screen)
        return _ESCAPES.sub("", printed)

    def children(self) -> list[psutil.Process]:
        """The processes that run in this terminal besides the shell."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def drain(self) -> None:
        """Takes what is on the screen, and answers what a terminal would."""
        try:
            text = self.process.read_nonblocking(65536, 0.01)
        except (pexpect.TIMEOUT, pexpect.EOF):
            return
        self.screen += text
        self._all += text
        if _DEVICE_QUERY in text:
            self.press(_DEVICE_ANSWER)
        if _CURSOR_QUERY in text:
            cursor = self._drawn().cursor
            self.press(_CURSOR_ANSWER.format(cursor.y + 1, cursor.x + 1))

    def clear(self) -> None:
        """Begins an empty screen; only for a shell at the prompt PROMPT."""
        self._all = PROMPT

    def picture(self) -> str:
        """The screen as a person sees it now, without the blanks at the ends of its lines and below it."""
        return "\n".join(line.rstrip() for line in self._drawn().display).rstrip() + "\n"

    def picture_at_prompt(self) -> str:
        """The same as soon as nothing but the shell runs, which shows PROMPT again; without that prompt."""
        self.wait_until(
            lambda: not self.children() and self.picture().endswith(f"\n{PROMPT.strip()}\n"), "prompt"
        )
        return self.picture().removesuffix(f"{PROMPT.strip()}\n")

    def value(self, expression: str) -> str:
        """What the shell makes of one expression (`$x`, in the shell's own syntax)."""
        place = self.home / "value"
        if self.shell == "powershell":
            self.run(f"[IO.File]::WriteAllText('{place}', [string]({expression}))")
        else:
            self.run(f'printf %s "{expression}" >{place}')
        return place.read_text("utf-8", "surrogateescape")

    def printed(self, line: str) -> str:
        """What the line prints, stdout and stderr, run by this very shell."""
        place = self._marks / "printed"
        form = {"powershell": "& {{ {} }} *> {}", "fish": "begin; {}; end >{} 2>&1"}
        self.run(form.get(self.shell, "{{ {}; }} >{} 2>&1").format(line, place))
        return place.read_text("utf-8", "surrogateescape").strip()

    def close(self) -> None:
        """Ends the shell."""
        self.process.close(force=True)
        self._temporary.cleanup()

    def wait_until(self, is_done: Callable[[], bool], what: str, timeout: float = PATIENCE) -> None:
        """Reads the screen until `is_done`; `what` is for the message when that takes too long (seconds)."""
        deadline = time.monotonic() + timeout
        while not is_done():
            self.drain()
            assert self.process.isalive(), f"the shell has gone:\n{self.screen[-3000:]}"
            assert time.monotonic() < deadline, f"no {what}:\n{self.screen[-3000:]}"

    def _drawn(self) -> pyte.Screen:
        rows, columns = self._size
        drawn = pyte.Screen(columns, rows)
        # pyte 0.8 knows no private parameters of these two, and would take them for colours and a mode.
        pyte.Stream(drawn).feed(re.sub(r"\x1b\[[>=?][0-9;]*[mu]", "", self._all))
        return drawn

    def _write(self, mark: Path) -> str:
        if self.shell == "powershell":
            return f"$null = [IO.File]::WriteAllText('{mark}', '')"
        return f": >{mark}" if self.shell != "fish" else f"true >{mark}"


def _prepare(shell: str, home: Path, start_up: str) -> list[str]:
    """Writes the start-up file; the arguments with which the shell reads that one alone."""
    place = {
        "bash": home / "start-up",
        "zsh": home / ".zshrc",
        "fish": home / ".config/fish/config.fish",
        "powershell": home / ".config/powershell/Microsoft.PowerShell_profile.ps1",
    }[shell]
    place.parent.mkdir(parents=True, exist_ok=True)
    # Without this folder, in the cache from fish 4 on, fish reads all manual pages in the background.
    for folder in (".local/share", ".cache"):
        (home / folder / "fish/generated_completions").mkdir(parents=True, exist_ok=True)
    place.write_text(start_up, "utf-8", "surrogateescape")
    return {
        "bash": ["--noprofile", "--rcfile", str(home / "start-up"), "-i"],
        "zsh": ["-d", "-i"],
        "fish": ["-i"],
        "powershell": [],
    }[shell]


@contextmanager
def terminal(home: Home, shell: str, start_up: str = "", size: tuple[int, int] = WIDE) -> Iterator[Terminal]:
    """An interactive `shell` in `home`, at its first prompt."""
    opened = Terminal(shell, home.path, f"{start_up}\n", home.environment, size=size)
    try:
        yield opened
    finally:
        opened.close()
