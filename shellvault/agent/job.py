"""A request to the worker, the callers that wait for it, and the job that both become."""

import socket
from collections.abc import Callable
from typing import NamedTuple

from shellvault.agent.caller import Caller
from shellvault.agent.loop import Timer
from shellvault.agent.workers import Worker
from shellvault.fastlane import request
from shellvault.protocol import HOOKED, Message

#: Answers a question: `{"answer": text}`, with null for no answer, or `{"failed": why}`.
Reply = Callable[[Message], None]


class HandOver(NamedTuple):
    """A connection on which the worker sends `before`, then the text of `form`, as text or as JSON."""

    socket: socket.socket
    form: str
    before: bytes
    is_text: bool


class Waiter:
    """A caller that waits for a job. `ask` is None for one that cannot ask a person."""

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
        """Releases the connection where the worker itself must answer, so that its secrets do not pass through us.

        It gets the job's result, without the texts.
        """
        self.withdraw = withdraw
        """Withdraws its question, because another waiter is asked."""
        self.pid = pid
        """The process that waits, 0 when it is not known."""
        self.asked = False
        """Whether it has failed to answer and must not be asked again."""
        self.is_late = False
        """Whether a question had been given up before it joined."""


class JobRequest(NamedTuple):
    """A wanted session: that of a request line, in some forms.

    `fresh`: no cached one. `renew`: one that is not due. `quiet`: no person waits for it, so no dialog may
    appear. `role_arn`: this role, assumed from it.
    """

    line: str
    forms: frozenset[str]
    fresh: bool = False
    renew: bool = False
    quiet: bool = False
    role_arn: str = ""

    def is_met_by(self, other: "JobRequest") -> bool:
        """Whether the session of `other` also meets this one."""
        return (
            (self.line, self.role_arn) == (other.line, other.role_arn)
            and self.forms <= other.forms
            and self.fresh <= other.fresh
            and self.quiet >= other.quiet
        )

    @property
    def memory_key(self) -> str:
        """The name of the session in the memory; no request line can have a field `role_arn`."""
        return f"{self.line} role_arn={request.escape(self.role_arn)}" if self.role_arn else self.line


class Job:
    """One acquisition, or one operation on the vault, under way."""

    __slots__ = (
        "asking", "behind", "caller", "gave_up", "message", "question", "timer", "tries_left", "waiters", "waits_for",
        "wanted", "was_shown", "worker",
    )  # fmt: skip

    def __init__(
        self,
        wanted: JobRequest | None,
        waiter: Waiter,
        caller: Caller | None,
        message: Message,
        worker: Worker,
    ) -> None:
        self.wanted = wanted
        """None: an operation on the vault, which no other caller can join."""
        self.caller = caller
        self.waiters = [waiter]
        self.message = message
        """What the worker was sent."""
        self.worker = worker
        self.tries_left = 2
        """How many more workers may get it if one dies before it starts; 0 once it has started."""
        self.behind = 0
        """The number of the job of the same worker that it waits for."""
        self.asking: Waiter | None = None
        self.question: Message | None = None
        self.was_shown = False
        """Whether a person has seen the question, and may be answering it in a browser."""
        self.gave_up = False
        """Whether no waiter could answer a question."""
        self.timer: Timer | None = None
        self.waits_for = ""
        """What the worker waits for, in words for a person; "" while that is not known."""

    def next_to_ask(self) -> Waiter | None:
        """The first waiter that could still answer a question."""
        return next((waiter for waiter in self.waiters if waiter.ask and not waiter.asked), None)


def failure(kind: str, message: str) -> Message:
    """An outcome that is an error; `kind` names a class of shellvault.errors."""
    return {"error": {"type": kind, "message": message}}


def forms_with(form: str) -> frozenset[str]:
    """The forms to ask the worker for: with `env.SHELL` or `exec.SHELL` also the shell's later `refresh` form."""
    kind, _, shell = form.partition(".")
    return frozenset([form, f"refresh.{shell}"] if kind in ("env", "exec") and shell in HOOKED else [form])
