"""Records each session that the agent gives or refuses in the history, and the commands that hold one now."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from shellvault import history, locations, marks
from shellvault.actors import Actor
from shellvault.agent.loop import Loop
from shellvault.agent.processes import Process, is_alive
from shellvault.errors import ShellvaultError
from shellvault.fastlane import request
from shellvault.protocol import Message

#: Commands that are remembered before ended ones are forgotten.
REMEMBERED = 256

#: Most characters of a reason, and of a refusal, that are recorded.
REASON_LIMIT, WHY_LIMIT = 200, 300


class Held(NamedTuple):
    """A command that was started with a session."""

    line: str
    until: float | None
    about: Mapping[str, str]


class Ledger:
    """One for the agent."""

    def __init__(self, loop: Loop, environment: Mapping[str, str]) -> None:
        """`environment` is the agent's own; it names the folder of the history."""
        self._loop = loop
        self._environment = environment
        self._folder: Path | None = None
        self._lines: list[Message] = []
        self._commands: dict[Process, Held] = {}
        self.is_recorded = True
        """Whether the settings want a history."""

    def given(
        self,
        line: str,
        door: str,
        actor: Actor,
        about: Mapping[str, str],
        until: float | None,
        reason: object = "",
    ) -> None:
        """A session of the marked request line is about to be handed to a caller."""
        if door == "exec":
            self._commands[actor.chain[0]] = Held(line, until, about)
        answer: history.Answer = "approved" if marks.field_of(line, "grant") else "given"
        self._note(line, door, actor, answer, about, until=until, reason=reason)

    def refused(self, line: str, door: str, actor: Actor, why: str, reason: object = "") -> None:
        """A caller does not get the session of the request line."""
        self._note(line, door, actor, "refused", {}, reason=reason, why=why)

    def commands(self, now: float) -> list[tuple[int, Held]]:
        """The commands that run with a session which is not over, by process id."""
        self._forget_ended()
        return [
            (process.pid, held)
            for process, held in self._commands.items()
            if held.until is None or held.until > now
        ]

    def state(self) -> list[Message]:
        """The state for a fresh agent (see `restart`); nothing in it is secret."""
        return [
            {"process": list(process), "line": held.line, "until": held.until, "about": dict(held.about)}
            for process, held in self._commands.items()
        ]

    def restore(self, state: list[Message]) -> None:
        """Takes back what `state` gave."""
        for kept in state:
            held = Held(kept["line"], kept["until"], kept["about"])
            self._commands[Process(*kept["process"])] = held

    def flush(self) -> None:
        """Writes the records. A write error does not stop a session."""
        lines, self._lines = self._lines, []
        if not lines:
            return
        with suppress(OSError, ShellvaultError):
            self._folder = self._folder or locations.state_directory(self._environment)
            history.append(self._folder, lines)
        if len(self._commands) > REMEMBERED:
            self._forget_ended()

    def _note(
        self,
        line: str,
        door: str,
        actor: Actor,
        answer: history.Answer,
        about: Mapping[str, str],
        *,
        until: float | None = None,
        reason: object = "",
        why: str = "",
    ) -> None:
        if not self.is_recorded:
            return
        if not self._lines:
            # After the reply, which waits for no disk.
            self._loop.later(0, self.flush)
        said = reason[:REASON_LIMIT] if isinstance(reason, str) else ""
        folder = history.folder_of(actor.chain[0].pid)
        profile = request.unescape(marks.profile_of(line))
        why = why[:WHY_LIMIT]
        self._lines.append(
            history.entry(actor, folder, door, profile, answer, about, until=until, reason=said, why=why)
        )

    def _forget_ended(self) -> None:
        self._commands = {process: held for process, held in self._commands.items() if is_alive(process)}
