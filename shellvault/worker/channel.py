"""The worker's end of the socket to the agent, and what one of its jobs has to work with."""

import base64
import os
import queue
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shellvault.display import printable
from shellvault.errors import NeedsPersonError, SessionError
from shellvault.protocol import Message, encode
from shellvault.sessions.model import Challenge, Helper, Prompter, WithdrawnError

#: Seconds between two looks whether a question is over.
_LOOK = 0.2


class Channel:
    """The socket to the agent, shared by all threads."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._sending = threading.Lock()
        self._numbering = threading.Lock()
        self._number = 0
        self._settings: Message | None = None
        self.answers: dict[int, queue.SimpleQueue[Message]] = {}
        self.sessions: dict[int, queue.SimpleQueue[Message | None]] = {}
        self.unlocked: dict[str, Message] = {}
        """What unlocks encrypted files, by their paths: `key` (hex), the `confirm` it was given with, and `until`
        (epoch seconds)."""
        self.withheld: dict[int, dict[str, str]] = {}
        """The texts of jobs that the agent must not see, by job and form."""
        self.connections: deque[socket.socket] = deque()
        """Connections of the agent's clients for the worker to answer, in the order of the messages about them."""

    def send(self, message: Message) -> None:
        """Sends one message; exits when the agent is gone."""
        try:
            with self._sending:
                self._sock.sendall(encode(message))
        except OSError:
            os._exit(0)

    def load(self, fingerprint: str) -> Message | None:
        """The session that the agent holds for a step."""
        reply: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        with self._numbering:
            self._number += 1
            number = self._number
            self.sessions[number] = reply
        self.send({"load": fingerprint, "number": number})
        return reply.get()

    def store(self, fingerprint: str, session: Message) -> None:
        """Gives the session of a step to the agent."""
        self.send({"store": fingerprint, "session": session})

    def keep_unlock_key(self, path: str, key: bytes, seconds: float, confirm: str = "keys") -> None:
        """Gives the agent what unlocks the encrypted file, for how long, and with which `confirm` policy.

        What the agent already has stays as it is: only a passphrase extends it.
        """
        if self.unlock_key(path).get("key") != key.hex():
            self.unlocked[path] = {"key": key.hex(), "confirm": confirm, "until": time.time() + seconds}
            self.send({"unlock": {path: self.unlocked[path]}})

    def settings(self, settings: Message) -> None:
        """Sends the agent the settings that it obeys (docs/protocol.md), when they have changed."""
        if settings != self._settings:
            self._settings = settings
            self.send({"settings": settings})

    def unlock_key(self, path: str) -> Message:
        """What unlocks the encrypted file; empty when it is locked."""
        kept = self.unlocked.get(path, {})
        return kept if kept.get("until", 0) > time.time() else {}


class JobPrompter(Prompter):
    """What one job works with: the channel, and a person to ask."""

    def __init__(self, channel: Channel, job: int) -> None:
        self.channel = channel
        self.job = job

    def ask(self, challenge: Challenge, withdrawn: int | None = None) -> str:
        """Has a waiting command put the question to a person. Raises NeedsPersonError when there is none.

        Raises WithdrawnError as soon as there is something to read from `withdrawn`.
        """
        answer: str | None = self._answer(challenge.to_json(), withdrawn).get("answer")
        if answer is None:
            raise NeedsPersonError(
                f"a person is needed: {challenge.prompt.rstrip(': ')}; run the command in a terminal"
            )
        return answer

    def run_helper(self, helper: Helper) -> bytes:
        """Has a waiting command run a helper program, and returns its stdout.

        Raises SessionError when it fails, NeedsPersonError when no command waits.
        """
        question = {"kind": "helper", "subject": helper.profile, "helper": helper.to_json()}
        answer = self._answer(question)
        if "failed" in answer:
            raise SessionError(answer["failed"])
        if answer["answer"] is None:
            name = printable(helper.profile)
            raise NeedsPersonError(
                f"the {helper.kind} of profile {name} runs only in a command that asks: run one in a terminal"
            )
        return base64.b64decode(answer["answer"])

    def _answer(self, question: Message, withdrawn: int | None = None) -> Message:
        answers = self.channel.answers[self.job]
        self.channel.send({"job": self.job, "ask": question})
        if withdrawn is None:
            return answers.get()
        while answers.empty():
            if select.select([withdrawn], [], [], _LOOK)[0]:
                self.channel.send({"job": self.job, "settled": True})
                raise WithdrawnError
        return answers.get()

    @contextmanager
    def invite(self, challenge: Challenge) -> Iterator[Callable[[], bool]]:
        """Has a waiting command show where to sign in, for the block. Yields whether one still waits.

        Only the yielded function shows that there is no person to show it to.
        """
        answers = self.channel.answers[self.job]
        self.channel.send({"job": self.job, "ask": challenge.to_json()})
        gone = False

        def is_attended() -> bool:
            nonlocal gone
            gone = gone or not answers.empty()
            return not gone

        try:
            yield is_attended
        finally:
            self.channel.send({"job": self.job, "settled": True})
            while not answers.empty():
                answers.get()

    def waits_behind(self, job: int) -> None:
        """Reports that this job waits for another job of this worker; 0: no longer."""
        self.channel.send({"job": self.job, "behind": job})

    def waits_behind_process(self, pid: int) -> None:
        """Reports that this job waits for another process, perhaps another worker."""
        self.channel.send({"job": self.job, "behind_process": pid})

    def tell(self, message: str) -> None:
        """Shows one line of progress to all waiting commands."""
        self.channel.send({"job": self.job, "tell": message})

    def waits_for(self, what: str) -> None:
        """Shows all waiting commands what they wait for, from now on; nothing when empty."""
        self.channel.send({"job": self.job, "waits_for": what})
