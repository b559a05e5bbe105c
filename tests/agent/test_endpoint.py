"""The container endpoint: only SDKs with a token get sessions."""

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from shellvault.client import agent as client
from shellvault.errors import AgentError
from tests.agent.conftest import Person, Place, has_ended, read_all, until

ROLE = "arn:aws:iam::123456789012:role/path/Reader"


@dataclass
class Endpoint:
    """The variables that one process was given."""

    place: Place
    uri: str
    token: str

    @property
    def port(self) -> int:
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/credentials", self.uri)
        assert found
        return int(found[1])

    def raw(self, data: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), 20) as connection:
            connection.sendall(data)
            return read_all(connection)

    def get(
        self, path: str = "/credentials", method: str = "GET", **headers: str
    ) -> tuple[int, dict[str, str]]:
        given = {"Host": f"127.0.0.1:{self.port}", "Authorization": self.token, **headers}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items()), "", ""]
        reply = self.raw("\r\n".join(lines).encode("latin-1"))
        head, _, body = reply.partition(b"\r\n\r\n")
        return int(head.split()[1]) if head else 0, json.loads(body) if body else {}


def opened(place: Place, profile: str, pid: int | None = None) -> Endpoint:
    variables = client.open_endpoint(place.line(profile), pid or os.getpid(), place.environment)
    return Endpoint(
        place,
        variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"],
        variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"],
    )


@pytest.fixture
def endpoint(agent: Place) -> Iterator[Endpoint]:
    yield opened(agent, "work")


def test_an_sdk_gets_a_session(endpoint: Endpoint) -> None:
    status, body = endpoint.get()
    assert status == 200
    assert body["form"] == "container"
    assert endpoint.get()[1] == body
    assert endpoint.place.calls("start") == 1


def test_localhost_is_as_good_a_name(endpoint: Endpoint) -> None:
    assert endpoint.get(Host=f"localhost:{endpoint.port}")[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil:{port}", ""])
def test_a_page_of_another_host_gets_nothing(endpoint: Endpoint, host: str) -> None:
    assert endpoint.get(Host=host.format(port=endpoint.port))[0] in (0, 403)
    assert endpoint.place.calls("start") == 0


@pytest.mark.parametrize("change", ["", "x", "Bearer {token}", "{token}x", "{half}", "\xff"])
def test_a_wrong_token_gets_nothing(endpoint: Endpoint, change: str) -> None:
    token = change.format(token=endpoint.token, half=endpoint.token[:-1])
    assert endpoint.get(Authorization=token)[0] == 403
    assert endpoint.place.calls("start") == 0


def test_tokens_are_long_and_never_the_same(agent: Place) -> None:
    tokens = {opened(agent, "work").token for _ in range(20)}
    assert len(tokens) == 20
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", token) for token in tokens)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/credentials/",
        "/credentials?x",
        "/role-arn/",
        "/role-arn/nonsense",
        f"/role-arn/{ROLE}/../x y",
        f"/role-arn/{ROLE}/..%2f",
        f"/role-arn/{ROLE}%0a",
        "//credentials",
        "http://127.0.0.1/credentials",
    ],
)
def test_there_is_no_other_path(endpoint: Endpoint, path: str) -> None:
    assert endpoint.get(path)[0] in (0, 404)
    assert endpoint.place.calls("start") == 0


@pytest.mark.parametrize("method", ["POST", "PUT", "HEAD", "OPTIONS", "DELETE"])
def test_there_is_no_other_method(endpoint: Endpoint, method: str) -> None:
    assert endpoint.get(method=method)[0] == 405
    assert endpoint.get()[0] == 200


def test_a_role_is_assumed_from_the_session(endpoint: Endpoint) -> None:
    base, role = endpoint.get()[1], endpoint.get(f"/role-arn/{ROLE}")[1]
    assert role["key"] == base["key"] + "Reader"
    assert endpoint.get(f"/role-arn/{ROLE}")[1] == role
    assert endpoint.place.calls("start") == 2


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /credentials HTTP/9.9\r\n\r\n",
        b"GET /credentials HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /credentials HTTP/1.1\r\nContent-Length: 5\r\nHost: x\r\n\r\nhello",
        b"POST /credentials HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x00\xa5\x01",
        b"\x00" * 1000 + b"\r\n\r\n",
    ],
    ids=lambda data: ascii(data[:40]),
)
def test_what_is_not_http_costs_that_connection_only(endpoint: Endpoint, data: bytes) -> None:
    reply = endpoint.raw(data)
    assert b" 200 " not in reply
    assert endpoint.get()[0] == 200


def test_half_a_request_is_given_up(endpoint: Endpoint) -> None:
    start = time.monotonic()
    assert endpoint.raw(b"GET /credentials HTTP/1.1\r\n") == b""
    assert time.monotonic() - start < 5


def test_the_token_dies_with_its_process(agent: Place) -> None:
    process = subprocess.Popen(["sleep", "60"])
    endpoint = opened(agent, "work", process.pid)
    assert endpoint.get()[0] == 200
    process.kill()
    process.wait()
    assert endpoint.get()[0] == 403


def test_there_is_no_token_for_a_process_that_is_not_there(agent: Place) -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    with pytest.raises(AgentError):
        opened(agent, "work", process.pid)


def test_a_session_that_is_nearly_over_is_renewed_first(agent: Place) -> None:
    endpoint = opened(agent, "life-4")
    first = endpoint.get()[1]["key"]
    time.sleep(3)
    assert endpoint.get()[1]["key"] != first


def test_a_person_is_never_waited_for(agent: Place) -> None:
    endpoint = opened(agent, "ask")
    start = time.monotonic()
    for _ in range(2):
        status, body = endpoint.get()
        assert status == 403
        assert body["code"] == "NeedsPerson"
        assert "shellvault exec ask -- true" in body["message"]
    assert time.monotonic() - start < 3
    agent.obtain("ask", person=Person(["123456"]))
    assert endpoint.get()[0] == 200


def test_a_refusal_is_an_error_with_its_reason(agent: Place) -> None:
    status, body = opened(agent, "refused").get()
    assert (status, body) == (500, {"code": "NoSession", "message": "AWS does not want to"})


def test_what_cannot_be_renewed_is_handed_out_while_it_lives(agent: Place) -> None:
    endpoint = opened(agent, "ask-life-6")
    agent.obtain("ask-life-6", person=Person(["123456"]))
    first = endpoint.get()[1]
    time.sleep(4.5)
    assert endpoint.get() == (200, first)
    until(lambda: endpoint.get()[0] == 403)


def test_an_endpoint_keeps_its_session_renewed(agent: Place) -> None:
    endpoint = opened(agent, "life-3")
    endpoint.get()
    until(lambda: agent.calls("sts") >= 3)


def test_an_old_agent_serves_its_endpoint_to_the_end(agent: Place) -> None:
    process = subprocess.Popen(["sleep", "60"])
    endpoint = opened(agent, "work", process.pid)
    before = agent.status()["pid"]
    agent.text("get", "env.bash", "work", version="0.0.1")
    client.ensure_agent(agent.environment)
    assert agent.status()["pid"] != before
    assert endpoint.get()[0] == 200
    process.kill()
    process.wait()
    until(lambda: has_ended(before), 15)


def test_idle_connections_keep_no_caller_out(endpoint: Endpoint) -> None:
    endpoint.get()
    idle = [socket.create_connection(("127.0.0.1", endpoint.port), 20) for _ in range(1000)]
    try:
        start = time.monotonic()
        assert [endpoint.get()[0] for _ in range(20)] == [200] * 20
        # Sooner than they are given up anyway.
        assert time.monotonic() - start < 2
        # The oldest have been dropped for the latest.
        assert idle[0].recv(1) == b""
    finally:
        for connection in idle:
            connection.close()


def test_a_client_with_a_token_is_not_dropped_for_others(agent: Place) -> None:
    slow = opened(agent, "wait-2")
    lines = [
        "GET /credentials HTTP/1.1",
        f"Host: 127.0.0.1:{slow.port}",
        f"Authorization: {slow.token}",
        "",
        "",
    ]
    with socket.create_connection(("127.0.0.1", slow.port), 20) as waiting:
        waiting.sendall("\r\n".join(lines).encode())
        until(lambda: agent.calls("start") == 1)
        idle = [socket.create_connection(("127.0.0.1", slow.port), 20) for _ in range(600)]
        assert read_all(waiting).startswith(b"HTTP/1.1 200 ")
        for connection in idle:
            connection.close()


def test_a_first_request_that_took_a_person_is_no_failed_renewal(agent: Place) -> None:
    assert agent.obtain("life-600-ask", "exec", Person(["123456"]))
    assert opened(agent, "life-600-ask").get()[0] == 200
    assert [session["needs_you"] for session in agent.status()["sessions"]] == [False]
