"""The worker process: does the agent's jobs, several at once, and is killed when it hangs.

It holds long-term keys for as long as one step takes, and nothing when it has no job. Only the agent
runs it.
"""

import os
import queue
import select
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress

from shellvault import errors, garbage, hardening, threads
from shellvault.errors import ShellvaultError
from shellvault.protocol import JSON_LIMIT, Lines, Message, decode, encode
from shellvault.unforeseen import described
from shellvault.worker.channel import Channel, JobPrompter

#: Connections that can arrive with one piece of data: the kernel passes one message's at a time.
DESCRIPTORS = 16

#: Seconds for a waiting command to take its answer.
HAND_OUT_PATIENCE = 2.0

#: Does a job: takes the agent's message and the prompter, returns the `result` for the agent. Raises
#: ShellvaultError.
Perform = Callable[[Message, JobPrompter], Message]

#: The modules that a job needs in addition to those that every worker imports.
ModulesOf = Callable[[Message], tuple[str, ...]]


def main(descriptor: int, perform: Perform | None = None) -> None:
    """Serves the agent at the other end of the descriptor until it goes away."""
    garbage.look_seldom()
    hardening.protect_process()
    hardening.die_with_parent()
    sock = socket.socket(fileno=descriptor)
    sock.set_inheritable(False)
    channel = Channel(sock)
    done_by, modules_of, warm_up = (perform, _no_modules, ()) if perform else _real_perform()
    _warm_up(channel, sock, warm_up)
    lines = Lines(JSON_LIMIT)
    while True:
        data, descriptors, _, _ = socket.recv_fds(
            sock, 65536, DESCRIPTORS, getattr(socket, "MSG_CMSG_CLOEXEC", 0)
        )
        channel.connections.extend(socket.socket(fileno=descriptor) for descriptor in descriptors)
        for line in lines.feed(data):
            _receive(channel, decode(line), done_by, modules_of)
        if not data:
            os._exit(0)


def _real_perform() -> tuple[Perform, ModulesOf, Iterable[Callable[[], object]]]:
    from shellvault.worker import job, modules

    modules.load()
    return job.perform, modules.modules_of, modules.warm_up_steps()


def _no_modules(message: Message) -> tuple[str, ...]:
    return ()


def _warm_up(channel: Channel, sock: socket.socket, steps: Iterable[Callable[[], object]]) -> None:
    """Does what would slow down the first job of a kind, until a message arrives.

    Not in a thread: there it could import the same modules as a job at the same time.
    """
    for step in steps:
        if select.select([sock], [], [], 0)[0]:
            break
        step()
    channel.send({"ready": True})


def _receive(channel: Channel, message: Message, perform: Perform, modules_of: ModulesOf) -> None:
    if "request" in message or "vault" in message or "revoke" in message:
        channel.answers[message["job"]] = queue.SimpleQueue()
        channel.send({"job": message["job"], "begun": True})
        threads.start(_do, channel, message, perform, modules=modules_of(message))
    elif "answer" in message or "failed" in message:
        if answers := channel.answers.get(message["job"]):
            answers.put(message)
    elif "ping" in message:
        channel.send({"pong": True})
    elif "hand_out" in message:
        _hand_out(channel, message)
    elif "unlock" in message:
        channel.unlocked = message["unlock"]
    else:
        channel.sessions.pop(message["number"]).put(message["session"])


def _hand_out(channel: Channel, message: Message) -> None:
    """Answers a command that waits for what the agent must not see; drops the texts after the last one."""
    number, form = message["job"], message["hand_out"]
    if form is None:
        del channel.withheld[number]
        channel.send({"job": number, "handed_out": True})
        return
    text = channel.withheld[number][form]
    reply = (
        text.encode("utf-8", "surrogateescape") if message["is_text"] else encode({"result": {"text": text}})
    )
    with channel.connections.popleft() as connection, suppress(OSError):
        # Small enough for the socket's buffer, unless the command does not read.
        connection.settimeout(HAND_OUT_PATIENCE)
        connection.sendall(message["before"].encode("latin-1") + reply)


def _do(channel: Channel, message: Message, perform: Perform) -> None:
    number = message["job"]
    try:
        outcome: Message = {"result": perform(message, JobPrompter(channel, number))}
        if outcome["result"].get("keep") is False:
            # Long-term keys stay out of the agent's memory: the worker gives them to the waiting commands.
            channel.withheld[number] = outcome["result"].pop("texts")
    except ShellvaultError as error:
        kind = next(kind for kind in type(error).__mro__ if kind.__module__ == errors.__name__)
        outcome = {"error": {"type": kind.__name__, "message": str(error)}}
    except BaseException as error:
        outcome = {
            "error": {"type": "AgentError", "message": f"the agent's worker failed: {described(error)}"}
        }
    del channel.answers[number]
    channel.send({"job": number, **outcome})
