"""Which kind of caller a process is: a person, a coding agent or the background, as the kernel shows it.

A person is an interactive shell on a terminal and the processes that it starts. A coding agent is a process with an
agent's marker in its environment or an agent's name, and all its descendants. Every other process is background: cron,
a service, an IDE, or a process whose ancestors have ended.

The ancestors come from proc_pid_stat(5), elsewhere from psutil. SECURITY.md says what this cannot see.
"""

import os
import sys
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple

Kind = Literal["person", "coding-agent", "background"]
KINDS: tuple[Kind, ...] = ("person", "coding-agent", "background")

#: Variables that coding agents set for what they start, and what they are called. Sources: botocore/useragent.py
#: (AWS CLI 2.35 and later) for the first eleven, the agents' own documents for the others.
MARKERS: Mapping[str, str] = {
    "CLAUDECODE": "claude-code",
    "GEMINI_CLI": "gemini-cli",
    "CODEX_THREAD_ID": "codex",
    "KIRO_SESSION_ID": "kiro",
    "KIRO_AGENT": "kiro",
    "OPENCODE": "opencode",
    "ANTIGRAVITY_AGENT": "antigravity",
    "AMP_CURRENT_THREAD_ID": "amp",
    "PI_CODING_AGENT": "pi",
    "COPILOT_CLI": "copilot-cli",
    "CURSOR_AGENT": "cursor",
    "CODEX_SANDBOX": "codex",
    "AI_AGENT": "",
    "AGENT": "",
}

#: Values that switch a marker off.
_OFF = ("", "0", "false", "no")

#: Names of their programs: of the executable, or of the script that an interpreter runs.
PROGRAMS: Mapping[str, str] = {
    "aider": "aider",
    "amp": "amp",
    "auggie": "auggie",
    "claude": "claude-code",
    "codex": "codex",
    "copilot": "copilot-cli",
    "crush": "crush",
    "cursor-agent": "cursor",
    "droid": "droid",
    "gemini": "gemini-cli",
    "goose": "goose",
    "kiro-cli": "kiro",
    "opencode": "opencode",
    "openhands": "openhands",
    "plandex": "plandex",
    "qwen": "qwen-code",
}
_INTERPRETERS = ("node", "bun", "deno", "python", "python3", "ruby")

_SHELLS = ("ash", "bash", "dash", "elvish", "fish", "ksh", "mksh", "nu", "pwsh", "sh", "tcsh", "xonsh", "zsh")
#: Shell options whose value is not a script, and those that keep a shell interactive after a command.
_WITH_VALUE = ("--rcfile", "--init-file", "--init-command", "-C", "-o", "-O", "+o", "+O")
_STAYS = ("-noexit", "-noe")

#: The most ancestors that are read; with more, the actor is unknown.
DEPTH = 64
#: The most results that are cached, and the most bytes read of an environment or a command line.
_REMEMBERED, _READ_LIMIT = 4096, 1 << 20


class Process(NamedTuple):
    """A process that cannot be mistaken for a later one with the same number."""

    pid: int
    started: str
    """Field 22 of proc_pid_stat(5), in clock ticks since boot; elsewhere epoch seconds."""


class Actor(NamedTuple):
    """What a process is, and the chain that says so."""

    kind: Kind
    program: str
    """A coding agent's name, or else the name of the executable."""
    root: Process
    """A coding agent's first process, or else the process itself."""
    chain: tuple[Process, ...]
    """The process, its parent, and so on."""
    names: tuple[str, ...]
    """Their programs."""
    terminals: tuple[int, ...]
    """Their controlling terminals by number (`tty_nr`), 0 for none."""

    @property
    def terminal(self) -> int:
        """The number of its own controlling terminal, 0 without one."""
        return self.terminals[0] if self.terminals else 0

    @property
    def is_person(self) -> bool:
        """Whether a person started it, in a shell on a terminal."""
        return self.kind == "person"

    @property
    def run(self) -> str:
        """Four digits that identify one run of a program."""
        return f"{zlib.crc32(f'{self.root.pid} {self.root.started}'.encode()) & 0xFFFF:04x}"

    def has_above(self, root: Process) -> bool:
        """Whether this process is `root` or was started by it."""
        return root in self.chain


class Look(NamedTuple):
    """What the system shows of one process at a glance."""

    process: Process
    parent: int
    terminal: int
    program: str
    executable: str
    """What is another when the process executes a program; empty where it cannot be read."""


class Words(NamedTuple):
    """What a process was started with; each empty where it may not be read."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]


#: A process that cannot be read, or has too many ancestors: treated as a coding agent.
UNKNOWN = Actor("coding-agent", "unknown", Process(0, ""), (Process(0, ""),), (), ())


class Actors:
    """The actors of processes, cached: a process keeps its kind until it executes another program."""

    def __init__(self, look: Callable[[int], Look | None], words: Callable[[int], Words]) -> None:
        """`look` and `words` show a process: `seen` and `words_of`, or a test's own."""
        self._look, self._words = look, words
        self._also: frozenset[str] = frozenset()
        self._known: dict[tuple[int, str, str], Actor] = {}
        self._marked: dict[Process, str] = {}
        """The processes that were coding agents once, and what they are called: they stay so as other programs."""

    def also(self, names: Iterable[str]) -> None:
        """Adds these to the marks of coding agents."""
        if frozenset(names) != self._also:
            self._also = frozenset(names)
            self._known.clear()

    def state(self) -> dict[str, Any]:
        """The state for a fresh agent: the added marks, and the processes that were coding agents once."""
        marked = [[*process, name] for process, name in self._marked.items()]
        return {"also": sorted(self._also), "marked": marked}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Takes back what `state` gave."""
        self.also(state["also"])
        self._marked = {Process(pid, started): name for pid, started, name in state["marked"]}

    def of(self, pid: int) -> Actor:
        """The actor that the process with this number is."""
        looks: list[Look] = []
        above: Actor | None = None
        while len(looks) < DEPTH:
            look = self._look(pid)
            if look is None or (looks and not _may_be_parent(look, looks[-1])):
                break
            above = self._known.get((*look.process, look.executable))
            if above:
                break
            looks.append(look)
            pid = look.parent
            if pid <= 0:
                break
        else:
            return UNKNOWN
        if not looks:
            return above or UNKNOWN
        for look in reversed(looks):
            above = self._judged(look, above)
        assert above  # noqa: S101 - there was one look
        return above

    def _judged(self, look: Look, above: Actor | None) -> Actor:
        chain = (look.process, *(above.chain if above else ()))
        names = (look.program, *(above.names if above else ()))
        terminals = (look.terminal, *(above.terminals if above else ()))
        kind: Kind
        if above and above.kind == "coding-agent":
            kind, program, root = above.kind, above.program, above.root
        else:
            words = self._words(look.process.pid)
            mark = self._mark(look, words) or self._marked.get(look.process, "")
            if mark:
                self._note(look.process, mark)
            is_person = is_interactive(look, words.arguments) or bool(above and above.is_person)
            kind = "coding-agent" if mark else "person" if is_person else "background"
            program, root = mark or look.program, look.process
        actor = Actor(kind, program, root, chain[:DEPTH], names[:DEPTH], terminals[:DEPTH])
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[(*look.process, look.executable)] = actor
        return actor

    def _note(self, process: Process, mark: str) -> None:
        if len(self._marked) >= _REMEMBERED:
            living = {
                other for other in self._marked if (look := self._look(other.pid)) and look.process == other
            }
            self._marked = {other: name for other, name in self._marked.items() if other in living}
        self._marked[process] = mark

    def _mark(self, look: Look, words: Words) -> str:
        """The coding agent that this process is marked as; "" for none."""
        for variable, name in MARKERS.items():
            value = words.environment.get(variable, "")
            if value.lower() not in _OFF:
                return name or plain(value)
        for variable in self._also:
            if words.environment.get(variable):
                return plain(variable)
        for program in _programs(look.program, words.arguments):
            if program in PROGRAMS:
                return PROGRAMS[program]
            if program in self._also:
                return plain(program)
        return ""


def plain(text: str) -> str:
    """A name that a session's name at AWS may have: other characters become `-`."""
    kept = "".join(char if char.isascii() and (char.isalnum() or char in "._-") else "-" for char in text)
    return kept.strip("-")[:32].lower() or "unnamed"


def is_interactive(look: Look, arguments: tuple[str, ...]) -> bool:
    """Whether it is an interactive shell: on a terminal, without a script or a command."""
    if not look.terminal or look.program not in _SHELLS:
        return False
    words = iter(arguments[1:])
    for word in words:
        if word.lower() in _STAYS:
            return True
        if word in _WITH_VALUE:
            next(words, None)
        elif not word.startswith(("-", "+")) or _is_command_option(word, look.program):
            return False
    return True


def _is_command_option(word: str, program: str) -> bool:
    if program == "pwsh":
        return word.lower() in ("-c", "-command", "-f", "-file", "-encodedcommand", "-e", "-ec")
    return word == "--command" or word.startswith("--command=") or (word[:2] != "--" and "c" in word[1:])


def _programs(program: str, arguments: tuple[str, ...]) -> list[str]:
    """The possible names of a program: its executable, and the script that an interpreter runs."""
    found = [program, *(PurePosixPath(word).name.lstrip("-") for word in arguments[:1])]
    scripts = [word for word in arguments[1:4] if not word.startswith("-")]
    if program.rstrip("0123456789.") in _INTERPRETERS and scripts:
        path = PurePosixPath(scripts[0])
        # node_modules/@anthropic-ai/claude-code/cli.js and its like are named by the package's folder.
        packages = (part.removesuffix("-code").removesuffix("-cli") for part in path.parts[-3:-1])
        found += [path.stem, *packages]
    return found


def _may_be_parent(parent: Look, child: Look) -> bool:
    """Whether it can have started the child: a number is used again only by a later process."""
    try:
        return float(parent.process.started) <= float(child.process.started)
    except ValueError:
        return False


def seen(pid: int) -> Look | None:
    """What the system shows of a process; None when there is none."""
    return _seen_in_proc(pid) if sys.platform == "linux" else _seen_by_psutil(pid)


def words_of(pid: int) -> Words:
    """Arguments and environment of a process, as it was started with."""
    if sys.platform == "linux":
        arguments = _read(f"/proc/{pid}/cmdline").split("\0")[:-1]
        pairs = (word.partition("=") for word in _read(f"/proc/{pid}/environ").split("\0"))
        return Words(tuple(arguments), {name: value for name, is_set, value in pairs if is_set})
    import psutil

    try:
        process = psutil.Process(pid)
        return Words(tuple(process.cmdline()), process.environ())
    except (psutil.Error, OSError):
        return Words((), {})


def _seen_in_proc(pid: int) -> Look | None:
    try:
        # The name in parentheses may hold anything, so the fields are counted from its end.
        head, _, tail = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")
    except OSError:
        return None
    fields = tail.split()
    program, executable = os.fsdecode(head.partition(b"(")[2]), ""
    path = f"/proc/{pid}/exe"
    try:
        program = PurePosixPath(os.readlink(path).removesuffix(" (deleted)")).name  # noqa: PTH115
        file = os.stat(path)  # noqa: PTH116 - of what it runs, whatever has that name by now
        # With the start of its stack (field 28), which is another after each execve(2).
        executable = f"{file.st_dev}:{file.st_ino}:{fields[25].decode('ascii')}"
    except OSError:
        # Another user's, a kernel thread, or one that keeps others out.
        pass
    process = Process(pid, fields[19].decode("ascii"))
    return Look(process, int(fields[1]), int(fields[4]), program, executable)


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - read for every command
            return os.fsdecode(file.read(_READ_LIMIT))
    except OSError:
        return ""


def _seen_by_psutil(pid: int) -> Look | None:
    import psutil  # costs an agent 6 MiB, so only where there is no /proc

    try:
        process = psutil.Process(pid)
        with process.oneshot():
            terminal = process.terminal() if hasattr(process, "terminal") else None
            number = os.stat(terminal).st_rdev if terminal else 0  # noqa: PTH116
            program = process.name()
            started = Process(pid, repr(process.create_time()))
            return Look(started, process.ppid(), number, program, program)
    except (psutil.Error, OSError):
        return None
