"""The kinds of the agent's callers, what each may use, and the answers to persons that decide it."""

import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from shellvault import hardening, marks
from shellvault.actors import UNKNOWN, Actor, Actors, seen, words_of
from shellvault.agent.loop import Loop
from shellvault.agent.permits import PATIENCE, Permit, Permits, Question, RefusedError
from shellvault.callers import MUST_ALLOW, REASON_LIMIT, fields_of
from shellvault.display import printable
from shellvault.fastlane import request
from shellvault.protocol import Message

#: The most profiles of a lease.
PROFILES = 50


#: The variables that a desktop notice needs.
_DESKTOP = ("DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "HOME", "PATH", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR")


class Approvals:
    """One for the agent."""

    def __init__(self, loop: Loop, is_local: Callable[[socket.socket], bool]) -> None:
        """`is_local`: whether the other side shares our namespaces."""
        self._loop = loop
        self._is_local = is_local
        self._actors = Actors(seen, words_of)
        self._notices: list[int] = []
        self.permits = Permits()

    def also(self, names: Iterable[str]) -> None:
        """Adds programs and variables that mark coding agents."""
        self._actors.also(names)

    def actor(self, connection: socket.socket) -> Actor:
        """The kind of a connection's other side. In other namespaces it is no person."""
        found = self.actor_of(hardening.peer_pid(connection))
        return (
            found._replace(kind="background") if found.is_person and not self._is_local(connection) else found
        )

    def actor_of(self, pid: int) -> Actor:
        """The kind of the process `pid`."""
        return self._actors.of(pid) if pid > 0 else UNKNOWN

    def marked(self, line: str, actor: Actor, reason: object) -> str:
        """The request line with this caller's marks. Raises ValueError if the line has marks already."""
        if marks.is_marked(line):
            raise ValueError("a request that says itself what asks")
        fields = self.permits.fields(actor, line, fields_of(actor, reason), time.time())
        return marks.marked(line, fields) if fields else line

    def ask(self, actor: Actor, line: str, about: str, reason: object, done: Callable[[str], None]) -> int:
        """Asks a person to allow a caller; `done` gets "" or the reason of a refusal. Raises RefusedError.

        Returns the number of the question.
        """
        text = printable(reason, REASON_LIMIT) if isinstance(reason, str) else ""
        question = self.permits.ask(actor, line, about.removesuffix(MUST_ALLOW), text, time.time(), done)
        if len(question.waiting) == 1:
            self._loop.later(PATIENCE, self._close_late)
            self._notify(question)
        return question.number

    def answer(self, message: Message, actor: Actor) -> Message:
        """The result of a message about permits (docs/protocol.md).

        Raises RefusedError if the caller may not send it, KeyError for a number that is not open, ValueError.
        """
        now = time.time()
        match message["do"]:
            case "questions":
                return {"questions": [question.shown() for question in self.permits.open(now)]}
            case "permits":
                return {"permits": [_shown(permit) for permit in self.permits.living(now)]}
            case "approve":
                seconds = message["seconds"]
                if not isinstance(seconds, int | float | None):
                    raise ValueError("not a time")
                narrowing = _narrowing(message["narrowing"])
                return _shown(self.permits.allow(_number(message), actor, seconds, narrowing, now))
            case "deny":
                self.permits.deny(_number(message), actor, now, always=bool(message["always"]))
                return {"denied": True}
            case "end-permit":
                return _shown(self.permits.end(_number(message), actor))
            case "lease":
                narrowing, seconds = _narrowing(message["narrowing"]), float(message["seconds"])
                return _shown(self.permits.lease(actor, _profiles(message), narrowing, seconds, now))
        raise ValueError("not a message about permits")

    def _close_late(self) -> None:
        self.permits.open(time.time())

    def _notify(self, question: Question) -> None:
        """Shows the question, and the command that answers it, on the desktop, if there is one."""
        self._notices = [pid for pid in self._notices if _runs(pid)]
        words = ["notify-send", "--app-name=shellvault", "--", question.about[0]]
        nothing = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
        # Without it the command line says what to type.
        with suppress(OSError):
            command = [*words, f"shellvault approve {question.number}"]
            environment = {name: os.environ[name] for name in _DESKTOP if name in os.environ}
            self._notices.append(os.posix_spawnp(words[0], command, environment, file_actions=nothing))


def _runs(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG) == (0, 0)
    except ChildProcessError:
        return False


def refusal(error: Exception) -> str:
    """The message for a caller whose answer was not accepted."""
    return (
        str(error)
        if isinstance(error, RefusedError)
        else "there is no such number: see `shellvault requests`"
    )


def _shown(permit: Permit) -> Message:
    return {
        "number": permit.number,
        "profiles": [request.unescape(name) for name in permit.profiles],
        "narrowing": sorted(permit.narrowing),
        "until": permit.until,
        "program": permit.program,
        "process": permit.root.pid,
        "is_lease": permit.is_lease,
    }


def _number(message: Mapping[str, Any]) -> int:
    number = message["number"]
    if not isinstance(number, int):
        raise ValueError("not a number")
    return number


def _narrowing(given: object) -> dict[str, str]:
    if not isinstance(given, dict) or not all(
        name in request.NARROWING and isinstance(value, str) and len(value) <= request.POLICY_LIMIT
        for name, value in given.items()
    ):
        raise ValueError("not a narrowing")
    return dict(given)


def _profiles(message: Mapping[str, Any]) -> list[str]:
    profiles = message["profiles"]
    if not isinstance(profiles, list) or not 0 < len(profiles) <= PROFILES:
        raise ValueError("not a list of profiles")
    for name in profiles:
        request.unescape(name)
    return profiles
