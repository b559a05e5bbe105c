"""The worker process: does the agent's jobs, several at once, and is killed when it hangs.

It holds long-term keys for as long as one step takes, and nothing when it has no job. Only ever run by the
agent.
"""

import os
import queue
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

from shellvault import errors
from shellvault.agent import hardening
from shellvault.agent.protocol import JSON_LIMIT, Lines, Message, decode, encode
from shellvault.errors import NeedsPersonError, ShellvaultError
from shellvault.sessions.model import Challenge, Prompter

#: How a job is done: the agent's message and the desk in, the `result` for the agent out. Raises
#: ShellvaultError.
Perform = Callable[[Message, "Desk"], Message]


class Channel:
    """The socket to the agent, shared by all threads."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._sending = threading.Lock()
        self._numbering = threading.Lock()
        self._number = 0
        self.answers: dict[int, queue.SimpleQueue[str | None]] = {}
        self.sessions: dict[int, queue.SimpleQueue[Message | None]] = {}
        self.unlock_keys: dict[str, str] = {}

    def send(self, message: Message) -> None:
        """Sends one message; without an agent there is nothing left to do."""
        try:
            with self._sending:
                self._sock.sendall(encode(message))
        except OSError:
            os._exit(0)

    def load(self, fingerprint: str) -> Message | None:
        """The session that the agent holds of a step."""
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

    def keep_unlock_key(self, path: str, key: bytes) -> None:
        """Gives the agent what unlocks the encrypted file, if it has not got it."""
        if self.unlock_keys.get(path) != key.hex():
            self.unlock_keys[path] = key.hex()
            self.send({"unlock": {path: key.hex()}})

    def unlock_key(self, path: str) -> bytes | None:
        """What unlocks the encrypted file, None when nobody has unlocked it lately."""
        key = self.unlock_keys.get(path)
        return bytes.fromhex(key) if key else None


class Desk(Prompter):
    """What one job has to work with: the channel, and somebody to ask."""

    def __init__(self, channel: Channel, job: int) -> None:
        self.channel = channel
        self._job = job

    def ask(self, challenge: Challenge) -> str:
        """Has a waiting command put the question to a person. Raises NeedsPersonError when there is none."""
        question = {
            "kind": challenge.kind,
            "subject": challenge.subject,
            "prompt": challenge.prompt,
            "hidden": challenge.hidden,
        }
        self.channel.send({"job": self._job, "ask": question})
        answer = self.channel.answers[self._job].get()
        if answer is None:
            raise NeedsPersonError(
                f"a person is needed: {challenge.prompt.rstrip(': ')}; run the command in a terminal"
            )
        return answer

    def tell(self, message: str) -> None:
        """Shows one line of progress to everybody who waits."""
        self.channel.send({"job": self._job, "tell": message})


def main(descriptor: int, perform: Perform | None = None) -> None:
    """Serves the agent at the other end of the descriptor until it goes away."""
    hardening.protect_process()
    hardening.die_with_parent()
    done_by = perform or _real_perform()
    sock = socket.socket(fileno=descriptor)
    sock.set_inheritable(False)
    channel = Channel(sock)
    lines = Lines(JSON_LIMIT)
    while data := sock.recv(65536):
        for line in lines.feed(data):
            _receive(channel, decode(line), done_by)
    os._exit(0)


def _real_perform() -> Perform:
    from shellvault.agent import acquisition

    threading.Thread(target=acquisition.warm_up, daemon=True).start()
    return acquisition.perform


def _receive(channel: Channel, message: Message, perform: Perform) -> None:
    if "request" in message:
        channel.answers[message["job"]] = queue.SimpleQueue()
        channel.send({"job": message["job"], "begun": True})
        threading.Thread(target=_do, args=(channel, message, perform), daemon=True).start()
    elif "answer" in message:
        if answers := channel.answers.get(message["job"]):
            answers.put(message["answer"])
    elif "unlock" in message:
        channel.unlock_keys = message["unlock"]
    else:
        channel.sessions.pop(message["number"]).put(message["session"])


def _do(channel: Channel, message: Message, perform: Perform) -> None:
    number = message["job"]
    try:
        outcome: Message = {"result": perform(message, Desk(channel, number))}
    except ShellvaultError as error:
        kind = next(kind for kind in type(error).__mro__ if kind.__module__ == errors.__name__)
        outcome = {"error": {"type": kind.__name__, "message": str(error)}}
    except BaseException as error:
        # The text of an unforeseen error could hold a secret; its place cannot.
        place = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
        outcome = {"error": {"type": "AgentError", "message": f"the agent's worker failed ({text})"}}
    del channel.answers[number]
    channel.send({"job": number, **outcome})


if __name__ == "__main__":
    main(int(sys.argv[1]))
