"""Real shells in a pseudo-terminal, driven as a person would: type a line, read what it printed."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pexpect

from tests.support.clients import need
from tests.support.home import Home

SHELLS = ("bash", "zsh", "fish", "powershell")
PROGRAMS = {"bash": "bash", "zsh": "zsh", "fish": "fish", "powershell": "pwsh"}

_PROMPT = "<<ready>> "
_START = {
    "bash": ["--norc", "--noprofile", "--noediting", "-i"],
    "zsh": ["-f", "+Z", "-i"],
    "fish": ["--no-config", "--init-command", f"function fish_prompt; echo -n '{_PROMPT}'; end", "-i"],
    "powershell": ["-NoProfile"],
}

#: What a terminal is asked at start by fish 4, and what it answers: device attributes, cursor position.
_QUERIES = {r"\x1b\[0?c": "\x1b[?62c", r"\x1b\[6n": "\x1b[1;1R"}
#: Escape sequences, and the mark with which fish ends a line that the program did not end.
_ESCAPES = re.compile(r"\x1b\[[0-9;?>=]*[a-zA-Z]|\x1b\][^\a\x1b]*(\a|\x1b\\)|\x1b[=>()][AB012]?|\r|⏎ *")


class Terminal:
    """One interactive shell in a pseudo-terminal 250 columns wide."""

    def __init__(self, shell: str, child: "pexpect.spawn[str]") -> None:
        self.shell = shell
        self.child = child

    def wait_for(self, pattern: str, timeout: float = 30) -> str:
        """What was printed before the regular expression `pattern`, without escape sequences."""
        printed = ""
        while True:
            found = self.child.expect([pattern, *_QUERIES], timeout=timeout)
            printed += str(self.child.before)
            if found == 0:
                return _ESCAPES.sub("", printed)
            self.child.send(list(_QUERIES.values())[found - 1])

    def type(self, line: str) -> None:
        """Types a line and the Enter key."""
        self.child.sendline(line)

    def run(self, line: str, timeout: float = 30) -> str:
        """Types a line and waits for the next prompt; what was printed, without the line's echo."""
        self.type(line)
        printed = self.wait_for(re.escape(_PROMPT), timeout)
        return "\n".join(printed.split("\n")[1:]).strip()


@contextmanager
def terminal(home: Home, shell: str, *arguments: str) -> Iterator[Terminal]:
    """An interactive `shell` in `home`, at its first prompt, without the machine's start-up files."""
    child: pexpect.spawn[str] = pexpect.spawn(
        str(need(PROGRAMS[shell])),
        [*_START[shell], *arguments],
        env=home.environment | {"PS1": _PROMPT, "PROMPT_EOL_MARK": ""},
        cwd=str(home.path),
        dimensions=(50, 250),
        encoding="utf-8",
        timeout=30,
    )
    opened = Terminal(shell, child)
    try:
        if shell == "powershell":
            opened.wait_for("PS .*> ")
            opened.type("function prompt { '<<' + 'ready>> ' }")
        opened.wait_for(re.escape(_PROMPT))
        yield opened
    finally:
        child.close(force=True)
