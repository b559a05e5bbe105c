"""Whatever arrives on the socket, the agent goes on serving the others."""

import contextlib
import random
import socket
import time

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


def test_who_sends_nothing_is_given_up_too(agent: Place) -> None:
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
