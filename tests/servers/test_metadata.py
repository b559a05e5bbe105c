"""The EC2 metadata service: the clients that it answers, and its replies."""

import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from shellvault.servers import askers, listening
from shellvault.servers.metadata import CREDENTIALS, LONGEST_LIFE, ROLE, TOKEN, TOKEN_LIFE, MetadataServer

SESSION = {
    "AccessKeyId": "ASIAEXAMPLE",
    "SecretAccessKey": "secret",
    "Token": "token",
    "Expiration": "2030-01-01T00:00:00Z",
}


def source() -> dict[str, Any]:
    """A session, as the agent's endpoint writes it."""
    return {**SESSION, "AccountId": "000000000000"}


@pytest.fixture
def server() -> Iterator[MetadataServer]:
    """A service on a free port, for this user."""
    server = MetadataServer(listening.listen("127.0.0.1", 0), source, "eu-central-1", os.geteuid())
    with server.running():
        yield server


def asked(server: MetadataServer, method: str, path: str, **headers: str) -> tuple[int, str]:
    """The status and the body of a reply."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection(*server.socket.getsockname(), timeout=10)
    try:
        connection.request(method, path, headers=named)
        reply = connection.getresponse()
        return reply.status, reply.read().decode()
    finally:
        connection.close()


def test_credentials_take_a_token(server: MetadataServer) -> None:
    assert asked(server, "GET", CREDENTIALS)[0] == 401
    assert asked(server, "GET", CREDENTIALS, **{TOKEN: "x"})[0] == 401
    status, token = asked(server, "PUT", "/latest/api/token", **{TOKEN_LIFE: "60"})
    assert status == 200
    assert asked(server, "GET", CREDENTIALS, **{TOKEN: token}) == (200, ROLE)
    status, body = asked(server, "GET", CREDENTIALS + ROLE, **{TOKEN: token})
    assert status == 200
    found = json.loads(body)
    assert {name: found[name] for name in SESSION} == SESSION
    assert (found["Code"], found["Type"]) == ("Success", "AWS-HMAC")
    assert "AccountId" not in found


@pytest.mark.parametrize("life", ["", "0", "-1", str(LONGEST_LIFE + 1), "1e2", "٣", "9" * 5000])
def test_a_token_has_a_life_that_aws_would_give_it(server: MetadataServer, life: str) -> None:
    assert (
        asked(server, "PUT", "/latest/api/token", **{TOKEN_LIFE: life.encode().decode("latin-1")})[0] == 400
    )


def test_a_token_ends_and_cannot_be_made_longer(server: MetadataServer) -> None:
    ended = server.token(-1)
    assert asked(server, "GET", CREDENTIALS, **{TOKEN: ended})[0] == 401
    number, _, mac = ended.rpartition(".")
    longer = f"{number.partition('.')[0]}.99999999999.{mac}"
    assert asked(server, "GET", CREDENTIALS, **{TOKEN: longer})[0] == 401
    assert asked(server, "GET", CREDENTIALS, **{TOKEN: "é"})[0] == 401


def test_a_page_with_dns_rebinding_gets_nothing(server: MetadataServer) -> None:
    assert asked(server, "PUT", "/latest/api/token", Host="evil.example", **{TOKEN_LIFE: "60"})[0] == 403
    token = server.token(60)
    assert asked(server, "GET", CREDENTIALS, Host="evil.example", **{TOKEN: token})[0] == 403
    assert asked(server, "GET", CREDENTIALS, Host="169.254.169.254", **{TOKEN: token})[0] == 200


def test_a_caller_gets_no_token_for_another_process(server: MetadataServer) -> None:
    headers = {TOKEN_LIFE: "60", "X-Forwarded-For": "10.0.0.1"}
    assert asked(server, "PUT", "/latest/api/token", **headers)[0] == 403


def test_the_reason_reaches_the_sdk_where_there_is_no_session(server: MetadataServer) -> None:
    def refused() -> dict[str, Any]:
        raise ValueError("a person is needed")

    server.source = refused
    status, body = asked(server, "GET", CREDENTIALS + ROLE, **{TOKEN: server.token(60)})
    assert (status, json.loads(body)["Message"]) == (200, "a person is needed")


def test_answers_go_no_further_than_one_hop(server: MetadataServer) -> None:
    assert server.socket.getsockopt(socket.IPPROTO_IP, socket.IP_TTL) == 1


def test_other_users_of_this_machine_get_nothing(server: MetadataServer) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    script = (
        "import os, socket, sys; os.setuid(65534)\n"
        "with socket.create_connection(('127.0.0.1', int(sys.argv[1])), 10) as it:\n"
        "    it.settimeout(10)\n"
        f"    it.sendall(b'PUT /latest/api/token HTTP/1.1\\r\\nHost: localhost\\r\\n{TOKEN_LIFE}: 9\\r\\n\\r\\n')\n"
        "    print(len(it.recv(100)))"
    )
    port = str(server.socket.getsockname()[1])
    done = subprocess.run([sys.executable, "-c", script, port], capture_output=True, text=True, timeout=30)
    assert done.stdout.strip() in ("0", ""), done.stdout
    assert not done.stdout or not done.stderr or "Reset" in done.stderr


def test_an_invalid_request_costs_no_other_caller(server: MetadataServer) -> None:
    for text in (
        b"\0" * 100,
        b"GET\r\n\r\n",
        b"DELETE / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
    ):
        with socket.create_connection(server.socket.getsockname(), 10) as connection:
            connection.sendall(text)
            assert b"Traceback" not in connection.recv(4096)
    assert asked(server, "GET", CREDENTIALS, **{TOKEN: server.token(60)})[0] == 200


def test_the_process_that_asks_is_known(server: MetadataServer) -> None:
    if sys.platform != "linux":
        pytest.skip("needs Linux")
    found: list[int | None] = []
    server.refusal = lambda connection: found.append(askers.process_of(connection)) or "not for you"  # type: ignore[func-returns-value]
    asking = (
        "import http.client, sys\n"
        "it = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]), timeout=10)\n"
        f"it.request('GET', {CREDENTIALS + ROLE!r}, headers={{{TOKEN!r}: sys.argv[2]}})\n"
        "print(it.getresponse().read().decode())"
    )
    words = [sys.executable, "-c", asking, str(server.socket.getsockname()[1]), server.token(60)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        said = json.loads(process.communicate(timeout=30)[0])
    assert found == [process.pid]
    assert (said["Code"], said["Message"]) == ("AssumeRoleUnauthorizedAccess", "not for you")
