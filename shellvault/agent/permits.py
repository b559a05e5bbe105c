"""What persons have allowed to callers that may not take a session by themselves, and the questions still open.

A permit is for one process and what it starts. A lease is a permit that was given beforehand (`exec --lease`): what
runs below it gets that and nothing else. Nothing here does I/O but look-ups of processes.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from shellvault import marks
from shellvault.actors import Actor, Process
from shellvault.agent.processes import is_alive
from shellvault.protocol import Message

#: Seconds that a question stays open.
PATIENCE = 120.0
#: Seconds that a permit for one use has.
ONCE = 60.0
#: The longest that a permit lasts, in seconds: a working day.
LONGEST = 12 * 3600.0
#: Questions of one run of a program in a minute; more become part of the last one.
QUESTIONS_A_MINUTE = 3
#: Questions open at once; more are refused.
OPEN = 100

#: The field `grant` where a lease has not this profile, or no session as narrow as it says.
NONE = "none"
#: The same below a lease that has ended: nothing that was not asked for is had there afterwards.
ENDED = "ended"


class Permit(NamedTuple):
    """What a person has allowed."""

    number: int
    root: Process
    subjects: tuple[str, ...]
    """The profiles, as request lines write them, each with what decides what it means (`marks.subject_of`)."""
    narrowing: Mapping[str, str]
    """The fields of request.NARROWING that every session of it has; none: as it is asked for."""
    until: float
    """Epoch seconds."""
    is_lease: bool
    program: str

    def is_live(self, now: float) -> bool:
        """Whether it still counts."""
        return now < self.until and is_alive(self.root)

    def marks(self, line: str) -> dict[str, str]:
        """What it makes of a request line."""
        if marks.subject_of(line) not in self.subjects:
            return {"grant": NONE}
        own = marks.narrowing_of(line)
        grant = {"grant": str(self.number)}
        if _is_narrower(own, self.narrowing):
            return grant
        return grant | dict(self.narrowing) if _is_narrower(self.narrowing, own) else {"grant": NONE}


class Question:
    """A question to a person, and the callers that wait for the answer."""

    def __init__(self, number: int, actor: Actor, about: str, reason: str, asked_at: float) -> None:
        self.number = number
        self.actor = actor
        self.about = [about]
        self.reason = reason
        self.asked_at = asked_at
        self.shown_about = 0
        """How many of `about` a dialog shows."""
        self.subjects: list[str] = []
        self.waiting: list[Callable[[str], None]] = []
        """Each is called once with "" (allowed), or with the reason of a refusal."""
        self.ended: Callable[[], None] = lambda: None
        """Called when it is not open any more."""

    def shown(self) -> Message:
        """What `shellvault requests` shows of it; nothing secret."""
        return {
            "number": self.number,
            "about": self.about,
            "reason": self.reason,
            "asked_at": self.asked_at,
            "program": self.actor.program,
            "process": self.actor.chain[0].pid,
            "names": list(self.actor.names[:6]),
        }


class RefusedError(ValueError):
    """An answer, or a lease, that is not this caller's to give."""


class Permits:
    """All permits and open questions."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._permits: dict[int, Permit] = {}
        self._questions: dict[int, Question] = {}
        self._ended: set[Process] = set()
        """The living processes whose lease is over."""
        self._never: set[str] = set()
        """Programs that were refused for as long as this agent runs."""

    def fields(self, actor: Actor, line: str, known: Mapping[str, str], now: float) -> dict[str, str]:
        """What a request line gets of its caller: what is `known`, and `grant` with a narrowing if a permit counts."""
        known = dict(known)
        for process in actor.chain:
            leases = [permit for permit in self.living(now) if permit.is_lease and permit.root == process]
            if leases:
                return known | leases[-1].marks(line)
        subject = marks.subject_of(line)
        for permit in self.living(now):
            if not permit.is_lease and subject in permit.subjects and actor.has_above(permit.root):
                return known | permit.marks(line)
        return known | {"grant": ENDED} if self._ended.intersection(actor.chain) else known

    def counts(self, line: str, now: float) -> bool:
        """Whether what allowed this marked line still does; True for a line that needed no permit."""
        grant = marks.field_of(line, "grant")
        if not grant.isdigit():
            return not grant
        permit = self._permits.get(int(grant))
        return permit is not None and permit.is_live(now)

    def living(self, now: float) -> list[Permit]:
        """The permits that count; the others are forgotten."""
        for permit in [permit for permit in self._permits.values() if not permit.is_live(now)]:
            self._over(permit)
        return list(self._permits.values())

    def void(self) -> None:
        """Ends every permit."""
        for permit in list(self._permits.values()):
            self._over(permit)

    def _over(self, permit: Permit) -> None:
        del self._permits[permit.number]
        self._ended = {process for process in self._ended if is_alive(process)}
        if permit.is_lease and is_alive(permit.root):
            self._ended.add(permit.root)

    def lease(
        self,
        actor: Actor,
        subjects: Iterable[str],
        narrowing: Mapping[str, str],
        seconds: float,
        now: float,
    ) -> Permit:
        """A lease for the process that asks for it. Raises RefusedError where that may give none, or a narrower one."""
        wanted = tuple(dict.fromkeys(subjects))
        above = next((p for p in reversed(self.living(now)) if p.is_lease and actor.has_above(p.root)), None)
        if above is None and self._ended.intersection(actor.chain):
            raise RefusedError("the lease that this runs below has ended: start the command again")
        until = now + min(seconds, LONGEST)
        if above:
            if not set(wanted) <= set(above.subjects) or not _is_narrower(narrowing, above.narrowing):
                raise RefusedError("a lease within a lease can only be narrower")
            until = min(until, above.until)
        elif not actor.is_person:
            raise RefusedError("only a person can give a lease: start it in your own terminal")
        return self._put(actor.chain[0], wanted, narrowing, until, is_lease=True, program=actor.program)

    def ask(
        self, actor: Actor, line: str, about: str, reason: str, now: float, done: Callable[[str], None]
    ) -> Question:
        """Opens a question, or joins one. Raises RefusedError when no person may be asked."""
        if actor.program in self._never:
            raise RefusedError(f"{actor.program} was refused for as long as the agent runs")
        subject = marks.subject_of(line)
        of_run = [q for q in self._questions.values() if q.actor.root == actor.root]
        question = next((q for q in of_run if subject in q.subjects), None)
        if question is None:
            lately = [q for q in of_run if now - q.asked_at < 60]
            if len(lately) >= QUESTIONS_A_MINUTE:
                question = lately[-1]
                question.about.append(about)
                # An answer is for what was shown with its number.
                del self._questions[question.number]
                question.number = next(self._numbers)
                self._questions[question.number] = question
            elif len(self._questions) >= OPEN:
                raise RefusedError("too many questions wait for an answer: see `shellvault requests`")
            else:
                question = Question(next(self._numbers), actor, about, reason, now)
                self._questions[question.number] = question
            question.subjects.append(subject)
        question.waiting.append(done)
        return question

    def leave(self, done: Callable[[str], None]) -> None:
        """A caller that waited for an answer has gone."""
        for question in [each for each in self._questions.values() if done in each.waiting]:
            question.waiting.remove(done)
            if not question.waiting:
                del self._questions[question.number]
                question.ended()

    def open(self, now: float) -> list[Question]:
        """The questions that wait for an answer; those that have waited too long are refused."""
        for question in [q for q in self._questions.values() if now - q.asked_at >= PATIENCE]:
            self._close(question, "no person has answered")
        return list(self._questions.values())

    def allow(
        self, number: int, by: Actor | None, seconds: float | None, narrowing: Mapping[str, str], now: float
    ) -> Permit:
        """Allows what was asked: for `seconds` to this run of the program; None: once.

        `by` is None for an answer in a dialog of our own.
        Raises RefusedError for an answer that is not this caller's to give, KeyError for a question that is not open.
        """
        question = self._answerable(number, by, now)
        asker = question.actor
        is_once = seconds is None
        root = asker.chain[0] if is_once else asker.root
        until = now + (ONCE if seconds is None else min(seconds, LONGEST))
        permit = self._put(root, tuple(question.subjects), narrowing, until, program=asker.program)
        self._close(question, "")
        return permit

    def deny(self, number: int, by: Actor | None, now: float, *, always: bool) -> None:
        """Refuses what was asked; `always`: and whatever this program asks for from now on. Raises as `allow`."""
        question = self._answerable(number, by, now)
        if always:
            self._never.add(question.actor.program)
        self._close(question, "a person has refused it")

    def end(self, number: int, by: Actor) -> Permit:
        """Ends a permit. Raises RefusedError as `allow`, KeyError when there is none."""
        if not by.is_person:
            raise RefusedError("only a person can end a lease")
        permit = self._permits[number]
        self._over(permit)
        return permit

    def state(self) -> Message:
        """What a fresh agent has to know (see `restart`)."""
        permits = [[*permit[:1], list(permit.root), *permit[2:]] for permit in self._permits.values()]
        ended = [list(process) for process in self._ended]
        return {
            "next": next(self._numbers),
            "permits": permits,
            "ended": ended,
            "never": sorted(self._never),
        }

    def restore(self, state: Message) -> None:
        """Takes back what `state` gave."""
        self._numbers = itertools.count(state["next"])
        for number, root, subjects, *rest in state["permits"]:
            self._permits[number] = Permit(number, Process(*root), tuple(subjects), *rest)
        self._ended = {Process(*process) for process in state["ended"]}
        self._never = set(state["never"])

    def _put(
        self,
        root: Process,
        subjects: tuple[str, ...],
        narrowing: Mapping[str, str],
        until: float,
        *,
        is_lease: bool = False,
        program: str,
    ) -> Permit:
        permit = Permit(next(self._numbers), root, subjects, dict(narrowing), until, is_lease, program)
        self._permits[permit.number] = permit
        return permit

    def _answerable(self, number: int, by: Actor | None, now: float) -> Question:
        self.open(now)
        question = self._questions[number]
        if by is None:
            return question
        asker = question.actor
        if not by.is_person or not by.terminal:
            raise RefusedError("only a person at a terminal can answer: run it in your own terminal")
        if by.has_above(asker.root) or asker.chain[0] in by.chain:
            raise RefusedError("what asks cannot answer itself: run it in another terminal")
        if by.terminal in _terminals(asker):
            raise RefusedError("this is the terminal of what asks: run it in another one")
        return question

    def _close(self, question: Question, refusal: str) -> None:
        self._questions.pop(question.number, None)
        question.ended()
        for done in question.waiting:
            done(refusal)


def _terminals(asker: Actor) -> set[int]:
    """The terminals that what asks can type at: from the asking process up to the program that it belongs to."""
    below = asker.chain.index(asker.root) + 1 if asker.root in asker.chain else 1
    return set(asker.terminals[:below])


def _is_narrower(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether sessions with `one` do no more than those with `other`, as far as that can be seen from here."""
    if not other or one == other:
        return True
    return bool(one.get("read-only")) and other == {"read-only": "1"}
