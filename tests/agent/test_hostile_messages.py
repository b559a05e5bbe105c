"""Whatever arrives on the socket, the agent goes on serving the others."""

import contextlib
import json
import os
import random
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from shellvault import __version__, protocol
from tests.agent.conftest import Place, read_all, session_message

#: Seconds that `stand_in.py` gives a request.
DEADLINE = 3.0


def request(place: Place) -> bytes:
    return f"SV1 {__version__} get env.bash - {place.line('work')}\n".encode()


NONSENSE = [
    b"\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"SV1\n",
    b"SV2 - get env.bash - work config=/x\n",
    b"SV1 - take env.bash - work config=/x\n",
    b"SV1 - get env.cmd - work config=/x\n",
    b"SV1 - get container - work config=/x\n",
    b"SV1 - get env.bash 0 work config=/x\n",
    b"SV1 - get env.bash -1 work config=/x\n",
    b"SV1 - get env.bash 99999999999 work config=/x\n",
    b"SV1 - get env.bash - work\n",
    b"SV1 - get env.bash - work config=/x evil=1\n",
    b"SV1 - get env.bash - w\x1b[2Jrk config=/x\n",
    b"SV1 - get env.bash - work config=/\xff\n",
    b"\x00" * 100 + b"\n",
    b"{}\n",
    b"{\n",
    b"[]\n",
    b'{"do":"session"}\n',
    b'{"do":"session","version":[]}\n',
    b'{"do":"nothing","version":"-"}\n',
    b'{"do":["lock"],"version":"-"}\n',
    b'{"do":"endpoint","version":"-","request":"w config=/x","pid":"self","environment":{}}\n',
    b'{"do":"session","version":"-","request":1,"form":2,"pid":3,"fresh":4,"mfa_token":5,"environment":6}\n',
    b'{"answer":"123456"}\n',
    b'{"do":' + b"[" * 100_000 + b"\n",
]


@pytest.mark.parametrize("data", NONSENSE, ids=lambda data: ascii(data[:40]))
def test_nonsense_gets_no_answer(agent: Place, data: bytes) -> None:
    assert agent.send(data) == b""
    assert agent.send(request(agent)).startswith(b"ok\n")


def test_an_environment_that_no_process_can_have_is_refused(agent: Place) -> None:
    for environment in ({"A": 1}, {"A=B": "x"}, {"A": "x\0y"}, []):
        assert agent.send(session_message(agent, "work", environment=environment)) == b""
    assert agent.calls("start") == 0


def test_two_requests_on_one_connection_are_one_too_many(agent: Place) -> None:
    assert b"result" not in agent.send(session_message(agent, "wait-1") + session_message(agent, "wait-1"))


def test_an_answer_to_no_question_ends_the_connection(agent: Place) -> None:
    assert b"result" not in agent.send(session_message(agent, "wait-1") + b'{"answer":"x"}\n')


@pytest.mark.parametrize(("start", "limit"), [(b"S", protocol.TEXT_LIMIT), (b"{", protocol.JSON_LIMIT)])
def test_a_line_that_is_too_long_ends_the_connection_early(agent: Place, start: bytes, limit: int) -> None:
    sent = 0
    with agent.connect() as connection:
        connection.sendall(start)
        try:
            while sent < 100 * 1024 * 1024:
                sent += connection.send(b"x" * 65536)
        except (BrokenPipeError, ConnectionResetError):
            pass
    # What is sent beyond the limit is what the kernel holds between the two.
    assert sent < limit + 2 * 1024 * 1024
    assert agent.send(request(agent)).startswith(b"ok\n")


def test_a_hundred_mebibytes_cost_the_agent_no_memory(agent: Place) -> None:
    before = resident(agent)
    with agent.connect() as connection, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.sendall(b"{" + b"x" * (100 * 1024 * 1024))
    assert resident(agent) - before < 4 * 1024
    assert agent.send(request(agent)).startswith(b"ok\n")


def test_ten_thousand_random_messages_leave_it_serving(agent: Place) -> None:
    chance = random.Random(20260101)
    pieces = [
        b"SV1 ",
        b"- ",
        b"get ",
        b"peek ",
        b"env.bash ",
        b"work ",
        b"config=/x",
        b"{",
        b"}",
        b'"do"',
        b":",
        b"\n",
    ]
    for _ in range(10_000):
        if chance.random() < 0.5:
            data = chance.randbytes(chance.randrange(200))
        else:
            data = b"".join(chance.choices(pieces, k=chance.randrange(12)))
        with agent.connect() as connection, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(data)
    assert agent.send(request(agent)).startswith(b"ok\n")


#: How many changed messages are sent; by hand 10,000.
FUZZED = int(os.environ.get("SHELLVAULT_FUZZED_MESSAGES", "400"))

JUNK: list[Any] = [
    None, True, -1, 2**70, 1.5, "", "x" * 5000, "$(touch hacked)", "`touch hacked`;'\"", "\x1b[2J\u202e",
    "\0", "\ud800", [], [[]], {}, {"kind": "helper"}, ["a", 1], {"a": None}, "../../etc/passwd",
]  # fmt: skip


def changed(chance: random.Random, message: Any) -> Any:
    """The message with one part, at any depth, replaced, removed or added."""
    if not isinstance(message, dict) or not message or chance.random() < 0.2:
        return chance.choice(JUNK)
    # Another version would make the agent leave room for that one.
    key = chance.choice([name for name in message if name != "version"] or ["do"])
    what = chance.random()
    if what < 0.15:
        return {name: value for name, value in message.items() if name != key}
    if what < 0.25:
        return message | {str(chance.choice(JUNK)): chance.choice(JUNK)}
    return message | {key: changed(chance, message.get(key))}


@pytest.mark.timeout(1800)
def test_changed_messages_of_every_kind_run_nothing(agent: Place) -> None:
    chance = random.Random(FUZZED)
    operation = {"do": "vault", "version": __version__, "operation": {"do": "list"}, "backend": "file"}
    place_of = {"environment": agent.environment, "directory": str(agent.home)}
    messages: list[tuple[bytes, list[Any]]] = [
        (b"", [json.loads(session_message(agent, "work", **place_of))]),
        (
            b"",
            [{"do": "endpoint", "version": __version__, "request": agent.line("work"), "pid": 1, **place_of}],
        ),
        (b"", [{**operation, **place_of}]),
        (b"", [{"do": "status", "version": __version__}]),
        (session_message(agent, "ask"), [{"answer": "123456"}, {"take": True}, {"failed": "x"}]),
        (session_message(agent, "helper"), [{"answer": "L3RtcA=="}, {"failed": "x"}, {"take": True}]),
        (request(agent), []),
    ]
    for _ in range(FUZZED):
        before, kinds = chance.choice(messages)
        data = before
        for _ in range(chance.randrange(1, 3)):
            if kinds:
                data += json.dumps(changed(chance, chance.choice(kinds))).encode() + b"\n"
            else:
                spoilt = bytearray(request(agent))
                spoilt[chance.randrange(len(f"SV1 {__version__} "), len(spoilt))] = chance.randrange(256)
                data += bytes(spoilt)
        with agent.connect() as connection, contextlib.suppress(OSError):
            connection.settimeout(0.002)
            connection.sendall(data)
            connection.recv(65536)
    assert agent.send(request(agent)).startswith(b"ok\n")
    assert not list(agent.home.rglob("hacked"))
    assert not Path("hacked").exists()


def test_half_a_request_is_given_up_while_others_are_served(agent: Place) -> None:
    with agent.connect() as slow:
        slow.sendall(b"SV1 - get")
        assert agent.send(request(agent)).startswith(b"ok\n")
        start = time.monotonic()
        for _ in range(100):
            try:
                slow.sendall(b" ")
            except OSError:
                break
            time.sleep(0.1)
        assert read_all(slow) == b""
        assert time.monotonic() - start < DEADLINE + 2


def test_a_silent_client_is_dropped_too(agent: Place) -> None:
    with agent.connect() as silent:
        assert read_all(silent) == b""


def test_a_thousand_clients_in_flight_are_all_served(agent: Place) -> None:
    agent.send(request(agent))
    connections: list[socket.socket] = []
    try:
        for _ in range(1000):
            connections.append(agent.connect())
        for connection in connections:
            connection.sendall(request(agent))
        assert all(read_all(connection).startswith(b"ok\n") for connection in connections)
    finally:
        for connection in connections:
            connection.close()


def resident(place: Place) -> int:
    """The agent's resident memory in KiB."""
    with open(f"/proc/{place.status()['pid']}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
