"""One connection to the agent's socket: its request, checked, and the replies to it."""

import socket
from collections.abc import Callable, Set
from functools import partial

from shellvault import guard, hardening, protocol
from shellvault.actors import UNKNOWN, Actor
from shellvault.agent.approvals import refusal
from shellvault.agent.caller import Caller
from shellvault.agent.job import HandOver, JobRequest, Reply, Waiter, failure, forms_with
from shellvault.agent.jobs import NO_ANSWER
from shellvault.agent.loop import Stream
from shellvault.agent.operations import Operations
from shellvault.agent.permits import RefusedError
from shellvault.agent.restart import Release
from shellvault.agent.shell_secret import with_secret
from shellvault.fastlane import request
from shellvault.protocol import Message

#: Seconds after which a text request that the worker is still busy with is handed to the full command line,
#: which can show a person what is being waited for.
TEXT_PATIENCE = 25.0

#: How often a session is asked for again when the caller, or what it may use, has changed meanwhile.
TRIES = 3

#: Kinds of questions that the command's own programs answer, and no person.
ANSWERED_BY_PROGRAMS = ("helper", "vault-token")

#: What a command hears that does not bring along what a session wants (request.SAID).
WANTS = "this profile wants a reason (--reason TEXT), or a person's yes: run `shellvault exec` in a terminal"

#: Most bytes of a form's name; the worker knows which forms there are.
FORM_LIMIT = 32


class Client:
    """One connection. An error in what it sends ends only this connection."""

    def __init__(self, agent: Operations, sock: socket.socket) -> None:
        self._agent = agent
        self._socket = sock
        self._lines: protocol.Lines | None = None
        self._handle: Callable[[bytes], None] = self._first_json
        self._waiter: Waiter | None = None
        self._reply: Reply | None = None
        self._was_asked = False
        self._question: Callable[[str], None] | None = None
        """Gets the answer to the open question to persons that it waits for."""
        self._proof = ""
        self._asker = UNKNOWN
        """The other side when its request was last marked."""
        self._reason: object = ""
        """Its own reason for the session."""
        self._said: Set[str] = frozenset()
        """What it brings along, of request.SAID."""
        self._deadline = agent.loop.later(protocol.REQUEST_DEADLINE, self._end)
        self._stream = Stream(agent.loop, sock, self._receive, self._closed)

    def _receive(self, data: bytes) -> None:
        if self._lines is None:
            is_text = not data.startswith(b"{")
            self._lines = protocol.Lines(protocol.TEXT_LIMIT if is_text else protocol.JSON_LIMIT)
            self._handle = self._text if is_text else self._first_json
        try:
            for line in self._lines.feed(data):
                self._handle(line)
        except Exception:
            # Any error: the agent goes on serving the others.
            self._end()

    def _end(self) -> None:
        self._stream.close()

    def _closed(self) -> None:
        self._deadline.cancel()
        self._stop_waiting()
        self._agent.closed(self)

    def _stop_waiting(self) -> None:
        if self._question:
            self._agent.approvals.permits.leave(self._question)
            self._question = None
        if self._waiter:
            self._agent.jobs.leave(self._waiter)
            self._waiter = None

    # The text half.

    def _text(self, line: bytes) -> None:
        self._deadline.cancel()
        asked = protocol.parse_text(line)
        if not self._speaks_for(asked.pid):
            # No process gets another shell's secret, nor a session that is renewed for it.
            asked = asked._replace(pid=None)
        is_refresh = asked.form.startswith("refresh.")
        if is_refresh:
            self._reason = self._agent.memory.reason_of(asked.pid, asked.key)
        plain, asked = asked.key, asked._replace(key=self._marked(asked.key))
        self._handle = self._nothing_more
        # What is said of a new session of a coding agent, or asked, only the full command line can show.
        needs_full = self._asker.kind == "coding-agent" and not is_refresh
        if not protocol.speaks_our_version(asked.version):
            # Before the reply: its reader then finds no agent and starts another.
            self._make_room()
            self._finish_text("miss")
        elif asked.version == protocol.DIRECT and not self._prove(asked.pid):
            # The shell would reject the reply. It asks again by our command, and gets a secret with the text.
            self._finish_text("miss")
        elif asked.verb == "peek" and not needs_full:
            status, peeked = self._agent.peek(asked.key, asked.form, asked.pid, self._socket)
            if status == "ok":
                self._given(asked.key, asked.form, asked.pid)
            self._finish_text(status, self._with_secret(asked, peeked) if status == "ok" else "")
        elif text := self._agent.remembered(asked.key, asked.form, asked.pid, partial(self._seen, asked)):
            self._given(asked.key, asked.form, asked.pid)
            self._finish_text("ok", self._with_secret(asked, text))
        elif needs_full:
            self._finish_text("needs-you")
        else:
            self._deadline = self._agent.loop.later(TEXT_PATIENCE, partial(self._finish_text, "needs-you"))
            asking = self._seen(asked)
            self._waiter = Waiter(
                partial(self._text_done, plain, asked, asking),
                hand_over=partial(self._hand_over, asked.key, asked.form, is_text=True),
            )
            wanted = JobRequest(asked.key, forms_with(asked.form), quiet=True)
            self._agent.jobs.start(wanted, self._waiter, asking)

    def _seen(self, asked: protocol.TextRequest) -> Caller:
        return self._agent.approvals.caller(self._place(asked), self._asker)

    def _place(self, asked: protocol.TextRequest) -> Caller:
        # Of a shell itself the system shows what it was started with, not what it has exported since.
        known = self._agent.memory.caller_of(asked.key) if asked.version == protocol.DIRECT else None
        return known or self._agent.caller_of(asked.key, self._socket)

    def _text_done(self, plain: str, asked: protocol.TextRequest, asking: Caller, outcome: Message) -> None:
        if self._marked(plain) != asked.key:
            # As in `_session_done`; the full command line asks again.
            self._finish_text("miss")
        elif "result" in outcome and not outcome["result"].get("wants"):
            self._agent.use(asked.key, asked.pid, asking)
            self._given(asked.key, asked.form, asked.pid)
            self._finish_text("ok", self._with_secret(asked, outcome["result"]["texts"][asked.form]))
        else:
            kind = outcome["error"]["type"] if "error" in outcome else ""
            self._finish_text("needs-you" if kind == "NeedsPersonError" else "miss")

    def _actor(self) -> Actor:
        """The other side as it is now."""
        return self._agent.approvals.actor(self._socket)

    def _marked(self, line: str) -> str:
        self._asker = self._actor()
        return self._agent.approvals.marked(line, self._asker, self._reason)

    def _given(self, line: str, form: str, pid: int | None, result: Message | None = None) -> None:
        """Notes that the next reply gives the other side a session."""
        if form not in guard.SIGN_INS:
            self._agent.handed_out(line, form, pid, self._asker, self._reason, result)

    def _refuse(self, line: str, form: str, message: str) -> None:
        """Refuses a session, and ends the conversation."""
        if form not in guard.SIGN_INS:
            self._agent.ledger.refused(line, form, self._asker, message, self._reason)
        self._finish(failure("NotAllowedError", message))

    def _prove(self, pid: int | None) -> bool:
        """Starts the reply with the secret of the shell that asks; False when it has none."""
        secret = self._agent.memory.secret(pid)
        self._proof = f"{secret} " if secret else ""
        return secret is not None

    def _with_secret(self, asked: protocol.TextRequest, text: str) -> str:
        if asked.version == protocol.DIRECT:
            return text
        return with_secret(text, asked.form, self._agent.memory.secret(asked.pid))

    def _finish_text(self, status: str, text: str = "") -> None:
        self._stop_waiting()
        self._stream.send(protocol.text_reply(f"{self._proof}{status}", text))
        self._stream.finish(protocol.REQUEST_DEADLINE)

    # The JSON half.

    def _first_json(self, line: bytes) -> None:
        self._deadline.cancel()
        message = protocol.decode(line)
        self._handle = self._nothing_more
        asked = _asked_for(message)
        if not all(self._may_have_done(operation) for operation in asked):
            self._finish(failure("NotForAgentError", guard.ELSEWHERE))
            return
        if self._is_coding_agent() and not all(map(guard.is_for_agents, asked)):
            self._finish(failure("NotAllowedError", guard.FOR_A_PERSON))
            return
        if not protocol.speaks_our_version(message["version"]) and message["do"] in (
            "session",
            "endpoint",
            "vault",
        ):
            is_gone = self._make_room()
            self._finish({"retry": True} if is_gone else failure("NotForAgentError", guard.ELSEWHERE))
            return
        operations = {
            "session": self._session,
            "endpoint": self._endpoint,
            "status": self._status,
            "forget": self._forget,
            "lock": self._lock,
            "revoke": self._revoke,
            "stop": self._stop,
            "vault": self._vault,
            "questions": self._permits,
            "permits": self._permits,
            "approve": self._permits,
            "deny": self._permits,
            "end-permit": self._permits,
            "lease": self._permits,
        }
        operations[message["do"]](message)

    def _is_coding_agent(self) -> bool:
        return self._actor().kind == "coding-agent"

    def _may_have_done(self, operation: str) -> bool:
        """Whether `guard` allows this operation to the other side."""
        return guard.is_allowed(operation, partial(self._agent.callers.is_local, self._socket))

    def _make_room(self) -> bool:
        """Makes room for an agent of another version, which callers in other namespaces cannot start.

        A coding agent would be rid of its lease: the other agent does not know it.
        """
        is_granted = self._agent.callers.is_local(self._socket) and not self._is_coding_agent()
        if is_granted:
            self._agent.retire()
        return is_granted

    def _caller(self, message: Message) -> Caller:
        stated = self._agent.callers.from_message(message["environment"], message["directory"], self._socket)
        return self._agent.approvals.caller(stated, self._actor())

    def _speaks_for(self, pid: int | None) -> bool:
        """Whether the other side may act for this process: a coding agent never for the shell that started it."""
        if not self._agent.callers.speaks_for(self._socket, pid):
            return False
        actor = self._actor()
        return (
            pid is None
            or actor.kind != "coding-agent"
            or self._agent.approvals.actor_of(pid).root == actor.root
        )

    def _own_pid(self, pid: object) -> int | None:
        """The process of a request. Raises ValueError for one for which the other side may not act."""
        if not isinstance(pid, int | None) or not self._speaks_for(pid):
            raise ValueError("not a process of the caller")
        return pid

    def _session(self, message: Message) -> None:
        line, form, pid = message["request"], message["form"], message["pid"]
        request.decode(line)
        self._reason = message.get("reason")
        self._said = {
            name for name, is_said in (("reason", self._reason), ("yes", message.get("yes"))) if is_said
        }
        if message["mfa_token"] is not None and self._is_coding_agent():
            self._finish(failure("NotAllowedError", guard.FOR_A_PERSON))
            return
        asking = self._caller(message)
        if (
            len(form) > FORM_LIMIT
            or not isinstance(pid, int | None)
            or not isinstance(message["mfa_token"], str | None)
        ):
            raise ValueError("not a session request")
        if not self._speaks_for(pid):
            pid = None
        self._obtain(message, pid, asking, TRIES)

    def _obtain(self, message: Message, pid: int | None, asking: Caller, tries: int) -> None:
        """Answers with the session that this caller may have."""
        line, form = self._marked(message["request"]), message["form"]
        text = (
            None if message["fresh"] else self._agent.remembered(line, form, pid, lambda: asking, self._said)
        )
        if text:
            self._given(line, form, pid)
            self._finish({"result": {"text": with_secret(text, form, self._agent.memory.secret(pid))}})
            return
        self._handle = self._answer
        self._show_life()
        self._waiter = Waiter(
            partial(self._session_done, message, line, pid, asking, tries),
            self._ask,
            self._tell,
            partial(self._hand_over, line, form, is_text=False),
            self._withdraw,
            hardening.peer_pid(self._socket),
        )
        wanted = JobRequest(line, forms_with(form), fresh=bool(message["fresh"]))
        self._agent.jobs.start(wanted, self._waiter, asking, message["mfa_token"])

    def _session_done(
        self, message: Message, line: str, pid: int | None, asking: Caller, tries: int, outcome: Message
    ) -> None:
        self._waiter = None
        self._deadline.cancel()
        form, kind = message["form"], outcome.get("error", {}).get("type")
        if self._marked(message["request"]) != line and tries:
            # It has become another program meanwhile, or its permit has ended.
            self._obtain(message, pid, asking, tries - 1)
        elif kind == "ApprovalNeededError":
            self._ask_persons(
                outcome["error"]["message"], partial(self._obtain, message, pid, asking), message
            )
        elif kind == "NotAllowedError":
            self._refuse(line, form, outcome["error"]["message"])
        elif not self._said >= set(outcome.get("result", {}).get("wants", ())):
            self._finish(failure("MoreWantedError", WANTS))
        elif "result" in outcome:
            self._agent.use(line, pid, asking)
            self._given(line, form, pid, outcome["result"])
            text = with_secret(outcome["result"]["texts"][form], form, self._agent.memory.secret(pid))
            self._finish({"result": {"text": text}})
        else:
            self._finish(outcome)

    def _ask_persons(self, about: str, then: Callable[[int], None], message: Message) -> None:
        """Calls `then` when a person has allowed the request."""

        def answered(refused: str) -> None:
            self._question = None
            self._deadline.cancel()
            if refused:
                self._refuse(message["request"], message["form"], f"{about}: {refused}")
            else:
                then(0)

        try:
            number = self._agent.approvals.ask(
                self._actor(), message["request"], about, message.get("reason"), answered
            )
        except RefusedError as error:
            self._refuse(message["request"], message["form"], f"{about}: {error}")
            return
        self._question = answered
        advice = (
            f"{about}: run `shellvault approve {number}` in another terminal, or `shellvault deny {number}`"
        )
        self._tell({"tell": advice})
        self._show_life()

    def _permits(self, message: Message) -> None:
        try:
            result = self._agent.approvals.answer(message, self._actor())
        except (RefusedError, KeyError) as error:
            self._finish(failure("NotAllowedError", refusal(error)))
        else:
            self._finish({"result": result})

    def _hand_over(self, line: str, form: str, result: Message, *, is_text: bool) -> HandOver:
        """Releases the connection, so that the worker answers the request."""
        self._waiter = None
        self._given(line, form, None, result)
        sock, unsent = self.detach()
        return HandOver(
            sock, form, unsent + protocol.text_reply(f"{self._proof}ok") if is_text else unsent, is_text
        )

    def detach(self) -> tuple[socket.socket, bytes]:
        """Releases the socket, so that another process can answer; returns it with the unsent bytes."""
        return self._stream.detach()

    def _show_life(self) -> None:
        """Shows the command that a long wait is no hang."""
        self._send({"alive": True})
        self._deadline = self._agent.loop.later(protocol.SIGN_OF_LIFE, self._show_life)

    def _ask(self, question: Message, reply: Reply) -> None:
        if question["kind"] not in ANSWERED_BY_PROGRAMS and self._is_coding_agent():
            reply(NO_ANSWER)
            return
        self._reply, self._was_asked = reply, True
        if question["kind"] != "sign-in":
            # From now on any message means that the question is over.
            self._deadline.cancel()
        self._send({"ask": question})

    def _withdraw(self) -> None:
        self._reply = None
        self._send({"withdrawn": True})
        self._show_life()

    def _tell(self, message: Message) -> None:
        self._send(message)

    def _answer(self, line: bytes) -> None:
        message = protocol.decode(line)
        if message == {"take": True} and self._waiter:
            if not self._is_coding_agent():
                self._agent.jobs.take(self._waiter)
            return
        (kind, text), *more = message.items()
        is_answer = kind == "answer" and isinstance(text, str | None)
        is_failure = kind == "failed" and isinstance(text, str)
        if more or not (is_answer or is_failure) or not self._was_asked:
            raise ValueError("an answer to no question")
        reply, self._reply = self._reply, None
        if reply:
            # Without one, the answer crossed the withdrawal of the question.
            self._deadline.cancel()
            self._show_life()
            reply(message)

    def _endpoint(self, message: Message) -> None:
        line, pid = message["request"], self._own_pid(message["pid"])
        request.decode(line)
        self._reason = message.get("reason")
        asking = self._caller(message)
        if pid is None:
            raise ValueError("not an endpoint request")
        self._finish({"result": self._agent.endpoint(pid, self._marked(line), asking)})

    def _status(self, message: Message) -> None:
        self._finish({"result": self._agent.status()})

    def _forget(self, message: Message) -> None:
        profiles = message.get("profiles")
        if not isinstance(profiles, list | None):
            raise ValueError("not a list of profiles")
        self._agent.forget(profiles, self._begin_restart({}))

    def _vault(self, message: Message) -> None:
        operation, backend = message["operation"], message["backend"]
        if not isinstance(backend, str | None):
            raise ValueError("not a request for the vault")
        asking = self._caller(message)
        self._handle = self._answer
        self._show_life()
        self._waiter = Waiter(partial(self._vault_done, operation), self._ask, self._tell)
        self._agent.jobs.operate(operation, backend, self._waiter, asking)

    def _vault_done(self, operation: Message, outcome: Message) -> None:
        self._waiter = None
        self._deadline.cancel()
        if "result" in outcome and guard.VAULT_OPERATIONS[operation["do"]].changes_keys:
            ended = protocol.ended_by(operation)
            self._agent.forget(ended, self._begin_restart(outcome["result"]))
        else:
            self._finish({"result": outcome["result"]} if "result" in outcome else outcome)

    def _begin_restart(self, result: Message) -> Release:
        """A function that releases the connection with the reply that the next agent sends."""

        def release() -> tuple[socket.socket, bytes]:
            sock, unsent = self.detach()
            return sock, unsent + protocol.encode({"result": result})

        return release

    def _revoke(self, message: Message) -> None:
        profiles, pid = message["profiles"], self._own_pid(message["pid"])
        if not isinstance(profiles, list | None):
            raise ValueError("not a request to revoke leases")
        asking = self._caller(message)
        leases = self._agent.leases_of(profiles, pid)
        if not leases:
            self._finish({"result": {"revoked": [], "kept": []}})
            return
        self._handle = self._answer
        self._show_life()
        self._waiter = Waiter(self._revoke_done, self._ask, self._tell)
        self._agent.revoke(leases, self._waiter, asking)

    def _revoke_done(self, outcome: Message) -> None:
        self._waiter = None
        self._deadline.cancel()
        self._finish(outcome)

    def _lock(self, message: Message) -> None:
        self._agent.lock(self._begin_restart({}))

    def _stop(self, message: Message) -> None:
        self._finish({"result": {}})
        self._agent.stop()

    def _nothing_more(self, line: bytes) -> None:
        raise ValueError("one request a connection")

    def _send(self, message: Message) -> None:
        self._stream.send(protocol.encode(message))

    def _finish(self, message: Message) -> None:
        self._send(message)
        self._stream.finish(protocol.REQUEST_DEADLINE)


def _asked_for(message: Message) -> list[str]:
    """The operations (`guard`) that a message asks for. Raises KeyError or ValueError for others."""
    do = message["do"]
    if do == "text" or do not in guard.MESSAGES:
        raise ValueError("not a request")
    if do == "vault":
        operation = message["operation"]["do"]
        if operation not in guard.VAULT_OPERATIONS:
            raise ValueError("not a request for the vault")
        return [do, operation]
    form = message["form"] if do == "session" else None
    return [do, form] if form in guard.SIGN_INS else [do]
