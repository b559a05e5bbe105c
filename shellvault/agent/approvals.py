"""The kinds of the agent's callers, what each may use, and the answers to persons that decide it."""

import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from shellvault import hardening, history, marks
from shellvault.actors import UNKNOWN, Actor, Actors, Process, seen, words_of
from shellvault.agent.caller import Caller
from shellvault.agent.loop import Loop
from shellvault.agent.permits import PATIENCE, Permit, Permits, Question, RefusedError
from shellvault.agent.said import Said
from shellvault.callers import MUST_ALLOW, REASON_LIMIT, fields_of
from shellvault.display import printable
from shellvault.fastlane import request
from shellvault.protocol import Message

if TYPE_CHECKING:
    from shellvault.agent.dialogs import Answer, Dialog

#: The most profiles of a lease.
PROFILES = 50

#: The most dialogs on the screen at once; further questions are answered in a terminal.
DIALOGS = 3

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
        self._person: tuple[Process, ...] = ()
        """The person that was here last: the process that called, its parent, and so on."""
        self._dialogs: dict[Question, Dialog] = {}
        self.has_dialogs = True
        """Whether the settings want dialogs."""
        self.permits = Permits()
        self.said = Said()

    def also(self, names: Iterable[str]) -> None:
        """Adds programs and variables that mark coding agents."""
        self._actors.also(names)

    def state(self) -> Message:
        """The state for a fresh agent (see `restart`); nothing in it is secret."""
        return {
            "permits": self.permits.state(),
            "said": self.said.state(),
            "actors": self._actors.state(),
        }

    def restore(self, state: Message) -> None:
        """Takes back what `state` gave."""
        self.permits.restore(state["permits"])
        self.said.restore(state["said"])
        self._actors.restore(state["actors"])

    def actor(self, connection: socket.socket) -> Actor:
        """The kind of a connection's other side. In other namespaces it is no person."""
        found = self.actor_of(hardening.peer_pid(connection))
        if not found.is_person:
            return found
        if not self._is_local(connection):
            return found._replace(kind="background")
        self._person = found.chain
        return found

    def actor_of(self, pid: int) -> Actor:
        """The kind of the process `pid`."""
        return self._actors.of(pid) if pid > 0 else UNKNOWN

    def marked(self, line: str, actor: Actor, reason: object) -> str:
        """The request line with this caller's marks. Raises ValueError if the line has marks already."""
        if marks.is_marked(line):
            raise ValueError("a request that says itself what asks")
        fields = self.permits.fields(actor, line, fields_of(actor, reason), time.time())
        if actor.is_person:
            self.said.note_line(line)
        elif others := self.said.others(line):
            fields["own"] = others
        return marks.marked(line, fields) if fields else line

    def caller(self, stated: Caller, actor: Actor) -> Caller:
        """The caller as its request is served: with a person's proxies and certificates, not with a coding agent's."""
        if actor.is_person:
            self.said.note(stated.environment, stated.directory)
        return self.said.with_network(stated) if actor.kind == "coding-agent" else stated

    def ask(self, actor: Actor, line: str, about: str, reason: object, done: Callable[[str], None]) -> int:
        """Asks a person to allow a caller; `done` gets "" or the reason of a refusal. Raises RefusedError.

        Returns the number of the question.
        """
        text = printable(reason, REASON_LIMIT) if isinstance(reason, str) else ""
        what = f"{about.removesuffix(MUST_ALLOW)}, {_how(line)}"
        question = self.permits.ask(actor, line, what, text, time.time(), done)
        if len(question.waiting) == 1:
            self._loop.later(PATIENCE, self._close_late)
        if len(question.waiting) == 1 or len(question.about) > question.shown_about:
            self._show(question)
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
                return _shown(self.permits.lease(actor, _subjects(message), narrowing, seconds, now))
        raise ValueError("not a message about permits")

    def _close_late(self) -> None:
        self.permits.open(time.time())

    def close_dialogs(self) -> None:
        """Takes all dialogs from the screen: this process does not wait for them any more."""
        for question in list(self._dialogs):
            self._close_dialog(question)

    def _show(self, question: Question) -> None:
        """Puts the question to a person on the desktop, if there is one; a terminal can answer it, too."""
        from shellvault.agent import dialogs

        # One that is open does not say all that is asked now.
        self._close_dialog(question)
        question.shown_about = len(question.about)
        asker, place = question.actor, None
        if self.has_dialogs and len(self._dialogs) < DIALOGS:
            place = dialogs.place_for(asker, self._person, self.actor_of)
        if place:
            folder = history.folder_of(asker.chain[0].pid)
            text = dialogs.text_of(question.about, folder, asker.names[:6], question.reason)
            question.ended = partial(self._close_dialog, question)
            with suppress(OSError):
                done = partial(self._answered, question)
                self._dialogs[question] = dialogs.Dialog(self._loop, place, text, asker.program, done)
                return
        self._notice(question)

    def _close_dialog(self, question: Question) -> None:
        if dialog := self._dialogs.pop(question, None):
            dialog.close()

    def _answered(self, question: Question, answer: "Answer | None") -> None:
        """A person has answered a dialog, or closed it; or its program could not show it."""
        self._dialogs.pop(question, None)
        if answer is None:
            self._notice(question)
        # Another answer may have been first.
        with suppress(KeyError):
            if answer and answer.is_yes:
                self.permits.allow(question.number, None, answer.seconds, answer.narrowing, time.time())
            elif answer:
                self.permits.deny(question.number, None, time.time(), always=answer.is_always)

    def _notice(self, question: Question) -> None:
        self.notify(question.about[0], f"shellvault approve {question.number}")

    def notify(self, summary: str, text: str) -> None:
        """Shows a notice on the desktop, if there is one."""
        self._notices = [pid for pid in self._notices if _runs(pid)]
        words = ["notify-send", "--app-name=shellvault", "--", summary, text]
        nothing = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
        # Without it the command line says what to type, and the prompt what is needed.
        with suppress(OSError):
            environment = {name: os.environ[name] for name in _DESKTOP if name in os.environ}
            self._notices.append(os.posix_spawnp(words[0], words, environment, file_actions=nothing))


def _how(line: str) -> str:
    """How far the session of a request line reaches, in a question."""
    narrowing = marks.narrowing_of(line)
    return "read-only" if "read-only" in narrowing else "narrowed by a policy" if narrowing else "full"


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
        "profiles": [request.unescape(marks.profile_of(subject)) for subject in permit.subjects],
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


def _subjects(message: Mapping[str, Any]) -> list[str]:
    profiles, line = message["profiles"], message["request"]
    request.decode(line)
    if not isinstance(profiles, list) or not 0 < len(profiles) <= PROFILES:
        raise ValueError("not a list of profiles")
    for name in profiles:
        request.unescape(name)
    return [marks.subject_of(line, name) for name in profiles]
