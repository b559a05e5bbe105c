"""What is wanted of the worker, who waits for it, and the job that both become."""

import socket
from collections.abc import Callable
from typing import NamedTuple

from shellvault.agent.caller import Caller
from shellvault.agent.loop import Timer
from shellvault.agent.workers import Worker
from shellvault.fastlane import request
from shellvault.protocol import HOOKED, Message

#: Gives `{"answer": text}` to a question, null when there will be none, or `{"failed": why}`.
Reply = Callable[[Message], None]


class HandOver(NamedTuple):
    """A connection that the worker is to answer with the text of `form`, after `before`, as text or as JSON."""

    socket: socket.socket
    form: str
    before: bytes
    is_text: bool


class Waiter:
    """Somebody who waits for a job. `ask` is None for those who cannot put questions to a person."""

    __slots__ = ("ask", "asked", "done", "hand_over", "is_late", "pid", "tell", "withdraw")

    def __init__(
        self,
        done: Callable[[Message], None],
        ask: Callable[[Message, Reply], None] | None = None,
        tell: Callable[[Message], None] | None = None,
        hand_over: Callable[[Message], HandOver] | None = None,
        withdraw: Callable[[], None] = lambda: None,
        pid: int = 0,
    ) -> None:
        self.done = done
        self.ask = ask
        self.tell = tell
        self.hand_over = hand_over
        """Lets go of the connection, where the worker itself has to answer: what it holds may not pass through us.

        It hears the job's result, whose texts are not in it.
        """
        self.withdraw = withdraw
        """Takes its question back: another one is asked."""
        self.pid = pid
        """The process that waits, 0 when it is not known."""
        self.asked = False
        """Whether this one has failed to answer and is not to be asked again."""
        self.is_late = False
        """Whether a question had been given up before this one came."""


class Want(NamedTuple):
    """What somebody wants: a request line's session in some forms.

    `fresh`: no cached one. `renew`: one that is not due. `quiet`: nobody at the keyboard waits for it, so
    no dialog may appear. `role_arn`: this role, assumed from it.
    """

    line: str
    forms: frozenset[str]
    fresh: bool = False
    renew: bool = False
    quiet: bool = False
    role_arn: str = ""

    def is_met_by(self, other: "Want") -> bool:
        """Whether what the other asks for will do here too."""
        return (
            (self.line, self.role_arn) == (other.line, other.role_arn)
            and self.forms <= other.forms
            and self.fresh <= other.fresh
            and self.quiet >= other.quiet
        )

    @property
    def memory_key(self) -> str:
        """Under which name the session is kept; no request line can have a field `role_arn`."""
        return f"{self.line} role_arn={request.escape(self.role_arn)}" if self.role_arn else self.line


class Job:
    """One acquisition, or one operation on the vault, under way."""

    __slots__ = (
        "asking", "behind", "caller", "gave_up", "message", "question", "timer", "tries_left", "waiters", "waits_for",
        "want", "was_shown", "worker",
    )  # fmt: skip

    def __init__(
        self, want: Want | None, waiter: Waiter, caller: Caller | None, message: Message, worker: Worker
    ) -> None:
        self.want = want
        """None: an operation on the vault, which nobody else can join."""
        self.caller = caller
        self.waiters = [waiter]
        self.message = message
        """What the worker was sent."""
        self.worker = worker
        self.tries_left = 2
        """How many more workers may get it when one has died before it began; none once one has begun."""
        self.behind = 0
        """The number of the job that it waits for, of the same worker's."""
        self.asking: Waiter | None = None
        self.question: Message | None = None
        self.was_shown = False
        """Whether the question has been put to somebody, who may have begun to answer it elsewhere."""
        self.gave_up = False
        """Whether nobody could be asked a question."""
        self.timer: Timer | None = None
        self.waits_for = ""
        """What the worker waits for, as a person is told it; "" before it has said so."""

    def next_to_ask(self) -> Waiter | None:
        """The first of the waiting who could still answer a question."""
        return next((waiter for waiter in self.waiters if waiter.ask and not waiter.asked), None)


def failure(kind: str, message: str) -> Message:
    """An outcome that is an error; `kind` names a class of shellvault.errors."""
    return {"error": {"type": kind, "message": message}}


def forms_with(form: str) -> frozenset[str]:
    """The forms to ask the worker for: with `env.SHELL`, `exec.SHELL` also what that shell will ask for later."""
    kind, _, shell = form.partition(".")
    return frozenset([form, f"refresh.{shell}"] if kind in ("env", "exec") and shell in HOOKED else [form])
