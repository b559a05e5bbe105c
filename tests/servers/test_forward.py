"""What sends requests on: whose, which, and from where."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from shellvault.errors import UsageError
from shellvault.servers import listening, upstream
from shellvault.servers.forward import Forwarder
from shellvault.servers.metadata import CREDENTIALS, ROLE, TOKEN, TOKEN_LIFE, MetadataServer
from shellvault.servers.upstream import Answer, Target


def no_session() -> dict[str, Any]:
    """Nothing that these tests ask for."""
    raise ValueError("no session")


@pytest.fixture
def behind() -> Iterator[Target]:
    """A server that cannot be reached but by way of another: a metadata service stands for both kinds."""
    server = MetadataServer(listening.listen("127.0.0.1", 0), no_session, "", os.geteuid())
    with server.running():
        yield Target("", *server.socket.getsockname())


@pytest.fixture
def place(behind: Target, tmp_path: Path) -> Iterator[Target]:
    """A Unix socket that leads there."""
    path = tmp_path / "socket"
    with listening.listen_in(path) as listener, Forwarder(listener, behind, None, None).running():
        yield Target(str(path), "", 0)


def token(place: Target) -> str:
    """A token of the server behind."""
    return upstream.ask(place, "PUT", "/latest/api/token", {TOKEN_LIFE: "60"}).body.decode()


def asked(place: Target, **headers: str) -> Answer:
    """The answer to a request for the role's name."""
    return upstream.ask(
        place, "GET", CREDENTIALS, {name.replace("_", "-"): value for name, value in headers.items()}
    )


def test_a_request_is_answered_by_the_server_behind(place: Target) -> None:
    assert asked(place, **{TOKEN: token(place)}).body == ROLE.encode()


def test_nothing_is_sent_on_without_a_token(place: Target) -> None:
    assert asked(place).status == 401
    assert asked(place, **{TOKEN: "guessed"}).status == 401
    assert asked(place, Authorization="guessed").status == 401
    assert asked(place, X_Forwarded_For="10.0.0.1", **{TOKEN: token(place)}).status == 403


def test_an_address_answers_to_its_own_name_alone(behind: Target) -> None:
    listener = listening.listen("127.0.0.1", 0)
    here = Target("", *listener.getsockname())
    with Forwarder(listener, behind, frozenset({f"127.0.0.1:{here.port}"}), None).running():
        assert asked(here, **{TOKEN: token(here)}).status == 200
        with socket.create_connection((here.host, here.port), 10) as page:
            page.sendall(f"GET {CREDENTIALS} HTTP/1.1\r\nHost: evil.example\r\n{TOKEN}: x\r\n\r\n".encode())
            assert page.recv(100).startswith(b"HTTP/1.1 403 ")


def test_the_end_of_the_upstream_server_is_reported(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        gone = Target("", *closed.getsockname())
    path = tmp_path / "socket"
    with listening.listen_in(path) as listener, Forwarder(listener, gone, None, None).running():
        answer = asked(Target(str(path), "", 0), **{TOKEN: "x"})
    assert answer.status == 502
    assert b"start it again" in answer.body


def test_a_leftover_socket_is_replaced_but_not_a_live_one(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with listening.listen_in(path), ExitStack() as stack:
        assert path.stat().st_mode & 0o777 == 0o600
        with pytest.raises(OSError, match="in use"):
            stack.enter_context(listening.listen_in(path))
        assert path.exists()
    assert not path.exists()
    path.write_text("not a socket")
    with pytest.raises(OSError, match="in use"), listening.listen_in(path):
        pass
    assert path.read_text() == "not a socket"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "unix",
        "https://127.0.0.1",
        "http://",
        "http://10.0.0.1",
        "http://user@127.0.0.1",
        "http://[",
        "http://127.0.0.1:x",
    ],
)
def test_nothing_beyond_this_machine_is_a_target(text: str) -> None:
    with pytest.raises(UsageError):
        upstream.parse(text)
