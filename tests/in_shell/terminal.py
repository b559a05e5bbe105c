"""Real shells on a pseudo-terminal, driven line by line; results travel through files, not through the screen."""

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pexpect

SHELLS = ("bash", "zsh", "fish", "powershell")
PROGRAMS = {"bash": "bash", "zsh": "zsh", "fish": "fish", "powershell": "pwsh"}

#: What fish 4 asks a terminal before it starts (primary device attributes), and what one answers.
DEVICE_QUERY, DEVICE_ANSWER = "\x1b[c", "\x1b[?62;22c"

#: Seconds within which any line of these tests is done, on a busy machine.
PATIENCE = 30.0


def program(shell: str) -> str | None:
    """The path of the shell's program, None where it is not installed."""
    return shutil.which(PROGRAMS[shell])


class Terminal:
    """One interactive shell with a home of its own."""

    def __init__(
        self, shell: str, home: Path, start_up: str, environment: Mapping[str, str], under: Sequence[str] = ()
    ) -> None:
        self.shell, self.home = shell, home
        self.screen = ""
        self._lines = 0
        # Outside the home: no file may appear where the tests look.
        self._marks = home.with_name(f"{home.name}-marks")
        self._marks.mkdir(parents=True)
        home.mkdir(parents=True, exist_ok=True)
        path = program(shell)
        assert path, f"{shell} is not installed"
        arguments = {
            "bash": ["--noprofile", "--rcfile", str(home / "start-up"), "-i"],
            "zsh": ["-d", "-i"],
            "fish": ["-i"],
            "powershell": [],
        }[shell]
        place = {
            "bash": home / "start-up",
            "zsh": home / ".zshrc",
            "fish": home / ".config/fish/config.fish",
            "powershell": home / ".config/powershell/Microsoft.PowerShell_profile.ps1",
        }[shell]
        place.parent.mkdir(parents=True, exist_ok=True)
        # Without this folder, in the cache from fish 4 on, fish reads all manual pages in the background.
        for folder in (".local/share", ".cache"):
            (home / folder / "fish/generated_completions").mkdir(parents=True)
        place.write_text(start_up, "utf-8", "surrogateescape")
        self.process = pexpect.spawn(
            [*under, path][0],
            [*under, path, *arguments][1:],
            env={
                "HOME": str(home),
                "PATH": os.environ["PATH"],
                "TERM": "xterm-256color",
                "LANG": "C.UTF-8",
                **environment,
            },
            cwd=str(home),
            encoding="utf-8",
            codec_errors="replace",
            dimensions=(50, 4000),
            timeout=PATIENCE,
        )
        self.run("")

    def type(self, line: str) -> None:
        """Types the line and the Enter key, and waits for nothing."""
        self.process.send(line + ("\r" if self.shell == "fish" else "\n"))

    def run(self, line: str) -> None:
        """Types the line, and waits until the shell has come back to its prompt and taken another."""
        self._lines += 1
        mark = self._marks / str(self._lines)
        if line:
            self.type(line)
        self.type(self._write(mark))
        deadline = time.monotonic() + PATIENCE
        while not mark.exists():
            self.drain()
            assert self.process.isalive(), f"the shell has gone:\n{self.screen[-3000:]}"
            assert time.monotonic() < deadline, f"no prompt after {line!r}:\n{self.screen[-3000:]}"
        self.drain()

    def drain(self) -> None:
        """Takes what is on the screen, and answers what a terminal would."""
        try:
            text = self.process.read_nonblocking(65536, 0.01)
        except (pexpect.TIMEOUT, pexpect.EOF):
            return
        if DEVICE_QUERY in text:
            self.process.send(DEVICE_ANSWER)
        self.screen += text

    def _write(self, mark: Path) -> str:
        if self.shell == "powershell":
            return f"$null = [IO.File]::WriteAllText('{mark}', '')"
        return f": >{mark}" if self.shell != "fish" else f"true >{mark}"

    def value(self, expression: str) -> str:
        """What the shell makes of one expression (`$x`, in the shell's own syntax)."""
        place = self.home / "value"
        if self.shell == "powershell":
            self.run(f"[IO.File]::WriteAllText('{place}', [string]({expression}))")
        else:
            self.run(f'printf %s "{expression}" >{place}')
        return place.read_text("utf-8", "surrogateescape")

    def close(self) -> None:
        """Ends the shell."""
        self.process.close(force=True)
