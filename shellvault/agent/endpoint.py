"""The container endpoint: SDKs that run for hours fetch their sessions here, as from the agent of an ECS
container.

Protocol: "Container credential provider" of the AWS SDKs and Tools reference guide. Imported when first
used, since h11 costs 3 MiB.
"""

import binascii
import json
import os
import re
import shlex
import socket
import time
from _operator import _compare_digest as compare_digest  # hmac's own; hmac itself loads OpenSSL, 4 MiB
from collections.abc import Callable
from functools import partial

import h11

from shellvault import renewal
from shellvault.agent import processes
from shellvault.agent.caller import Caller
from shellvault.agent.job import JobRequest, Waiter
from shellvault.agent.jobs import Jobs
from shellvault.agent.loop import Loop, Stream, Timer
from shellvault.agent.memory import Memory
from shellvault.agent.permits import Permits
from shellvault.agent.processes import Process
from shellvault.agent.restart import socket_of
from shellvault.connections import Connections
from shellvault.fastlane import request
from shellvault.loopback import is_loopback
from shellvault.protocol import CONTAINER_FORM, REQUEST_DEADLINE, Message

BASE_PATH, ROLE_PATH = "/credentials", "/role-arn/"
ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]{1,576}", re.ASCII)

#: Connections at once; those of ended requests are gone within REQUEST_DEADLINE.
CONNECTIONS = 256

#: Seconds without accepting after accepting has failed.
ACCEPT_PAUSE = 0.1

#: Seconds that an SDK is kept waiting for a renewal while the session that there is still lives, and at most.
PATIENCE_WITH_SESSION, PATIENCE = 5.0, 25.0

#: Seconds on top of the fifteen minutes under which SDKs ask again at every call.
MARGIN = 60.0


class Grant:
    """The right of one process to the session of one request line."""

    __slots__ = ("caller", "line", "noted", "process", "token")

    def __init__(self, process: Process, line: str, caller: Caller) -> None:
        self.process = process
        self.line = line
        self.caller = caller
        self.noted: object = None
        """The session that it was given last, as the history has it."""
        self.token = (
            binascii.b2a_base64(os.urandom(32), newline=False)
            .decode("ascii")
            .translate({43: "-", 47: "_"})
            .rstrip("=")
        )

    def state(self) -> Message:
        """Everything, as plain data."""
        return {
            "process": list(self.process),
            "line": self.line,
            "caller": self.caller,
            "token": self.token,
        }

    @classmethod
    def from_state(cls, state: Message) -> "Grant":
        """The grant that `state` came from."""
        grant = cls(Process(*state["process"]), state["line"], Caller(*state["caller"]))
        grant.token = state["token"]
        return grant


class Endpoint:
    """The HTTP server on a port of 127.0.0.1 that the kernel chooses."""

    def __init__(
        self,
        loop: Loop,
        memory: Memory,
        jobs: Jobs,
        permits: Permits,
        served: Callable[[Process, str, str, str], None],
        before: Message | None = None,
    ) -> None:
        """`before` is the `state` of the one to go on with.

        `served` hears of each session once, before it is sent: the process, its request line, the key of the session
        in the memory, and what it was refused for, if it was.
        """
        self.permits = permits
        self._served = served
        self.loop = loop
        self.memory = memory
        self.jobs = jobs
        self._grants = [Grant.from_state(grant) for grant in before["grants"]] if before else []
        self._connections = Connections[Exchange](CONNECTIONS, Exchange.drop, Exchange.socket)
        self._listener = (
            socket_of(before) if before else socket.create_server(("127.0.0.1", 0), backlog=CONNECTIONS)
        )
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        loop.watch(self._listener, self._accept)

    def open(self, pid: int, line: str, caller: Caller) -> dict[str, str]:
        """The variables for a process and what it starts. Raises ValueError when there is no such process."""
        process = processes.find(pid)
        if process is None:
            raise ValueError("no such process")
        grant = Grant(process, line, caller)
        # A shell that switches to another profile has one endpoint, not two.
        self._grants = [other for other in self._grants if other.process != process]
        self._grants.append(grant)
        return {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{self.port}{BASE_PATH}",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": grant.token,
        }

    def state(self, profiles: list[str] | None) -> Message | None:
        """The state for a fresh agent (see `restart`), without the tokens for `profiles` (None: all)."""
        if profiles is None:
            return None
        kept = [grant.state() for grant in self._grants if request.decode(grant.line)[0] not in profiles]
        return {"descriptor": self._listener.fileno(), "grants": kept} if kept else None

    def living_lines(self) -> set[str]:
        """The request lines whose processes still run; the tokens of others are forgotten."""
        self._grants = [grant for grant in self._grants if processes.is_alive(grant.process)]
        return {grant.line for grant in self._grants}

    def users(self) -> set[int]:
        """The process ids that hold a token."""
        return {grant.process.pid for grant in self._grants}

    def uses(self) -> list[tuple[int, str]]:
        """The process ids that hold a token, each with the line of its session."""
        return [(grant.process.pid, grant.line) for grant in self._grants]

    def grant_of(self, token: str) -> Grant | None:
        """The grant with this token, if its process still runs; compared in constant time."""
        found = [
            grant
            for grant in self._grants
            if compare_digest(grant.token.encode(), token.encode("utf-8", "replace"))
        ]
        return found[0] if found and processes.is_alive(found[0].process) else None

    def note(self, grant: Grant, key: str, why: str = "") -> None:
        """A session of this key is about to be sent, or was refused: SDKs ask for the same one again and again."""
        entry = self.memory.entries.get(key)
        what = (key, why or (entry and entry.expires_at))
        if grant.noted != what:
            grant.noted = what
            self._served(grant.process, grant.line, key, why)

    def proven(self, exchange: "Exchange") -> None:
        """A connection has shown a token: it is never dropped to make room."""
        self._connections.prove(exchange)

    def closed(self, exchange: "Exchange") -> None:
        """A connection has ended."""
        self._connections.leave(exchange)

    def _accept_again(self) -> None:
        self.loop.watch(self._listener, self._accept)

    def _accept(self) -> None:
        try:
            connection, (address, _) = self._listener.accept()
        except BlockingIOError:
            return
        except OSError:
            # Out of files, or the other side has gone already.
            self.loop.unwatch(self._listener)
            self.loop.later(ACCEPT_PAUSE, self._accept_again)
            return
        if not is_loopback(address):
            connection.close()
            return
        exchange = Exchange(self, connection)
        # A client with a token shows it at once; other connections must not block it.
        if not self._connections.admit(exchange):
            exchange.drop()


class Exchange:
    """One connection: one request, one reply."""

    def __init__(self, endpoint: Endpoint, connection: socket.socket) -> None:
        self._endpoint = endpoint
        self._http = h11.Connection(h11.SERVER)
        self._request: h11.Request | None = None
        self._waiter: Waiter | None = None
        self._deadline: Timer = endpoint.loop.later(REQUEST_DEADLINE, self.drop)
        self._stream = Stream(endpoint.loop, connection, self._receive, self._closed)

    def socket(self) -> socket.socket:
        """Its socket."""
        return self._stream.socket

    def drop(self) -> None:
        """Closes the connection without an answer."""
        self._stream.close()

    def _closed(self) -> None:
        self._deadline.cancel()
        self._stop_waiting()
        self._endpoint.closed(self)

    def _stop_waiting(self) -> None:
        if self._waiter:
            self._endpoint.jobs.leave(self._waiter)
            self._waiter = None

    def _receive(self, data: bytes) -> None:
        try:
            self._http.receive_data(data)
            asked = self._whole_request()
            if asked and self._waiter is None:
                self._deadline.cancel()
                self._answer(asked)
        except Exception:
            # Any error: the agent goes on serving the others.
            self.drop()

    def _whole_request(self) -> h11.Request | None:
        """The request once it is complete. Raises RemoteProtocolError for one with a body."""
        while self._http.their_state in (h11.IDLE, h11.SEND_BODY):
            event = self._http.next_event()
            if isinstance(event, h11.Request):
                self._request = event
            elif isinstance(event, h11.Data):
                raise h11.RemoteProtocolError("a request with a body")
            elif event is h11.NEED_DATA:
                return None
        return self._request

    def _answer(self, asked: h11.Request) -> None:
        headers = dict(asked.headers)
        hosts = (f"127.0.0.1:{self._endpoint.port}", f"localhost:{self._endpoint.port}")
        # A page in a browser that has been made to believe our address is its own server's still names its
        # own host.
        if headers.get(b"host", b"").decode("latin-1") not in hosts:
            self._fail(403, "Forbidden", "wrong Host header")
            return
        grant = self._endpoint.grant_of(headers.get(b"authorization", b"").decode("latin-1"))
        if grant is None:
            self._fail(403, "AccessDenied", "wrong or expired token in AWS_CONTAINER_AUTHORIZATION_TOKEN")
            return
        self._endpoint.proven(self)
        if not self._endpoint.permits.counts(grant.line, time.time()):
            self._fail(403, "AccessDenied", "what a person had allowed to this program has ended")
            return
        if asked.method != b"GET":
            self._fail(405, "MethodNotAllowed", "only GET")
            return
        path = asked.target.decode("latin-1")
        role_arn = path.removeprefix(ROLE_PATH) if path.startswith(ROLE_PATH) else ""
        if path != BASE_PATH and not ROLE_ARN.fullmatch(role_arn):
            self._fail(404, "NotFound", f"only {BASE_PATH} and {ROLE_PATH}ARN")
            return
        self._serve(
            JobRequest(grant.line, frozenset([CONTAINER_FORM]), renew=True, quiet=True, role_arn=role_arn),
            grant,
        )

    def _serve(self, wanted: JobRequest, grant: Grant) -> None:
        """Answers from memory if the session lasts; else renews it, with the old one as the fallback."""
        now = time.time()
        entry = self._endpoint.memory.entries.get(wanted.memory_key)
        text = (
            entry.texts().get(CONTAINER_FORM)
            if entry and entry.expires_at > now and entry.is_current()
            else None
        )
        if entry and text:
            lead = renewal.lead(entry.issued_at, entry.expires_at)
            margin = MARGIN if lead == renewal.LEAD else 0.0
            if entry.expires_at - now > lead + margin or not self._endpoint.memory.may_try(
                wanted.memory_key, now
            ):
                self._hand_out(grant, wanted, text)
                return
        memory = self._endpoint.memory
        if memory.needs_person(wanted.memory_key) and not memory.may_try(
            wanted.memory_key, now, is_attended=True
        ):
            self._needs_person(grant)
            return
        self._waiter = Waiter(partial(self._done, text, grant, wanted))
        patience = PATIENCE_WITH_SESSION if text else PATIENCE
        self._deadline = self._endpoint.loop.later(patience, partial(self._late, text, grant, wanted))
        self._endpoint.jobs.start(wanted, self._waiter, grant.caller)

    def _hand_out(self, grant: Grant, wanted: JobRequest, text: str) -> None:
        self._endpoint.note(grant, wanted.memory_key)
        self._send(200, text)

    def _done(self, text: str | None, grant: Grant, wanted: JobRequest, outcome: Message) -> None:
        self._waiter = None
        self._deadline.cancel()
        if "result" in outcome:
            self._hand_out(grant, wanted, outcome["result"]["texts"][CONTAINER_FORM])
        elif text:
            self._hand_out(grant, wanted, text)
        elif "error" not in outcome:
            self._fail(500, "NoSession", "everything was forgotten: ask again")
        elif outcome["error"]["type"] == "NeedsPersonError":
            self._needs_person(grant)
        else:
            if outcome["error"]["type"] in ("NotAllowedError", "ApprovalNeededError"):
                self._endpoint.note(grant, wanted.memory_key, outcome["error"]["message"])
            self._fail(500, "NoSession", outcome["error"]["message"])

    def _needs_person(self, grant: Grant) -> None:
        profile, fields = request.decode(grant.line)
        words = f"{request.narrowing_words(fields)}{shlex.quote(profile)}"
        self._fail(
            403, "NeedsPerson", f"a person is needed: run `shellvault exec {words} -- true` in a terminal"
        )

    def _late(self, text: str | None, grant: Grant, wanted: JobRequest) -> None:
        self._stop_waiting()
        if text:
            self._hand_out(grant, wanted, text)
        else:
            self._fail(500, "NoSession", "no session in time: run the command again")

    def _fail(self, status: int, code: str, message: str) -> None:
        self._send(status, json.dumps({"code": code, "message": message}))

    def _send(self, status: int, text: str) -> None:
        body = text.encode("utf-8")
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
        ]
        reply = h11.Response(status_code=status, headers=headers)
        events = [reply, h11.Data(data=body), h11.EndOfMessage()]
        if self._request and self._request.method == b"HEAD":
            # Such a reply has no body, whatever its headers say (RFC 9110, 9.3.2).
            del events[1]
        for event in events:
            self._stream.send(self._http.send(event) or b"")
        self._stream.finish(REQUEST_DEADLINE)
