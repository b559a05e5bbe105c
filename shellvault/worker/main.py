"""The worker process: does the agent's jobs, several at once, and is killed when it hangs.

It holds long-term keys for as long as one step takes, and nothing when it has no job. Only ever run by the
agent.
"""

import os
import queue
import socket
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

from shellvault import errors, hardening
from shellvault.errors import ShellvaultError
from shellvault.protocol import JSON_LIMIT, Lines, Message, decode
from shellvault.worker.channel import Channel, Desk

#: How a job is done: the agent's message and the desk in, the `result` for the agent out. Raises
#: ShellvaultError.
Perform = Callable[[Message, Desk], Message]


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
    from shellvault.worker import acquisition

    threading.Thread(target=acquisition.warm_up, daemon=True).start()
    return acquisition.perform


def _receive(channel: Channel, message: Message, perform: Perform) -> None:
    if "request" in message or "vault" in message:
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
