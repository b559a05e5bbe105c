"""Idle connections of any local user keep no other away from a listener of ours."""

import ast
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

import shellvault
from shellvault import connections
from shellvault.browser.one_time_link import OneTimeLink, one_time_link
from shellvault.connections import Connections, users
from shellvault.servers import listening, upstream
from shellvault.servers.forward import Forwarder
from shellvault.servers.metadata import CREDENTIALS, ROLE, TOKEN, TOKEN_LIFE, MetadataServer
from shellvault.servers.upstream import Target
from shellvault.signin.listener import CALLBACK_PATH
from shellvault.signin.listener import listening as sign_in

PACKAGE = Path(shellvault.__file__).parent
IDLE = 500
NOBODY = 65534

#: Opens connections as another user, says so, and holds them until its stdin ends. argv: uid, port, how many.
HOLD = """
import os, socket, sys
uid, port, count = map(int, sys.argv[1:])
"x".encode("idna")  # a module that another user may not read
if uid != os.geteuid():
    os.setgroups([]), os.setgid(uid), os.setuid(uid)
held = []
for _ in range(count):
    connection = socket.create_connection(("127.0.0.1", port), 20)
    held.append(connection)
print("held", flush=True)
sys.stdin.read()
"""


def _get(port: int, path: str) -> bytes:
    """The reply to one GET, as a browser would ask, within the time that a person waits."""
    with socket.create_connection(("127.0.0.1", port), 3) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        reply = b""
        while data := connection.recv(4096):
            reply += data
    return reply


@contextmanager
def _metadata() -> Iterator[tuple[int, Callable[[], bool]]]:
    server = MetadataServer(listening.listen("127.0.0.1", 0), dict, "", os.geteuid())
    with server.running():
        port = server.socket.getsockname()[1]
        yield port, lambda: _name_of_role(Target("", "127.0.0.1", port))


def _name_of_role(place: Target) -> bool:
    token = upstream.ask(place, "PUT", "/latest/api/token", {TOKEN_LIFE: "60"}).body.decode()
    return upstream.ask(place, "GET", CREDENTIALS, {TOKEN: token}).body == ROLE.encode()


@contextmanager
def _proxy() -> Iterator[tuple[int, Callable[[], bool]]]:
    with _metadata() as (behind, _):
        listener = listening.listen("127.0.0.1", 0)
        port = listener.getsockname()[1]
        with Forwarder(listener, Target("", "127.0.0.1", behind), None, None).running():
            yield port, lambda: _name_of_role(Target("", "127.0.0.1", port))


@contextmanager
def _link() -> Iterator[tuple[int, Callable[[], bool]]]:
    with one_time_link("https://example.com/there") as link:
        assert isinstance(link, OneTimeLink)
        port, path = int(link.url.split(":")[2].split("/")[0]), "/" + link.url.split("/", 3)[3]
        yield port, lambda: b"Location: https://example.com/there" in _get(port, path)


@contextmanager
def _callback() -> Iterator[tuple[int, Callable[[], bool]]]:
    with sign_in("state") as listener:

        def come_back() -> bool:
            threading.Timer(0.2, listener.finish, ("signed-in",)).start()
            reply = _get(listener.port, f"{CALLBACK_PATH}?state=state&code=code")
            return reply.startswith(b"HTTP/1.1 200") and listener.wait(1, lambda: True) is not None

        yield listener.port, come_back


#: Every TCP listener of this package that is not the agent's own (tests/agent/test_endpoint.py has that one).
LISTENERS = {"metadata": _metadata, "proxy": _proxy, "one-time link": _link, "sign-in": _callback}


@contextmanager
def held(uid: int, port: int, count: int = IDLE) -> Iterator[None]:
    command = [sys.executable, "-c", HOLD, str(uid), str(port), str(count)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/")
    assert process.stdin
    assert process.stdout
    try:
        assert process.stdout.readline() == b"held\n"
        yield
    finally:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()


@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize("uid", [os.geteuid(), NOBODY], ids=["own", "another"])
def test_idle_connections_keep_no_caller_out(listener: str, uid: int) -> None:
    if uid != os.geteuid() and os.geteuid() != 0:
        pytest.skip("needs root to be another user")
    with LISTENERS[listener]() as (port, is_served), held(uid, port):
        started = time.monotonic()
        assert is_served()
        # Sooner than the idle ones are given up by their deadline.
        assert time.monotonic() - started < 3


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be another user")
def test_another_users_connections_go_first() -> None:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=64))
        port, gone = listener.getsockname()[1], []
        rule = Connections[socket.socket](8, gone.append, lambda connection: connection)

        def accepted() -> socket.socket:
            return stack.enter_context(listener.accept()[0])

        def connected() -> socket.socket:
            stack.enter_context(socket.create_connection(("127.0.0.1", port), 5))
            return accepted()

        own = [connected() for _ in range(4)]
        assert all(map(rule.admit, own))
        stack.enter_context(held(NOBODY, port, 10))
        strangers = [accepted() for _ in range(10)]
        assert users([own[0], strangers[0]]) == [os.geteuid(), NOBODY]
        assert all(map(rule.admit, strangers[:4]))
        rule.prove(own[0])
        rule.prove(strangers[0])
        later = connected()
        assert rule.admit(later)
        assert gone == [strangers[1]]
        rule._looked_at -= 1
        for other in strangers[4:]:
            rule.admit(other)
            rule._looked_at -= 1
        assert set(gone).issubset(strangers)
        assert strangers[0] not in gone


def test_without_another_to_drop_a_newcomer_has_no_place() -> None:
    pairs = [socket.socketpair() for _ in range(3)]
    rule = Connections[socket.socket](2, lambda _: None, lambda connection: connection)
    for each, _ in pairs[:2]:
        assert rule.admit(each)
        rule.prove(each)
    assert not rule.admit(pairs[2][0])
    rule.leave(pairs[0][0])
    assert rule.admit(pairs[2][0])
    for pair in pairs:
        for end in pair:
            end.close()


def test_every_listener_goes_by_the_rule() -> None:
    """A file that listens uses `Connections`, or is here with the reason."""
    listens, rules = set(), set()
    for file in PACKAGE.rglob("*.py"):
        name = file.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            if is_call and node.func.attr in ("create_server", "listen"):  # type: ignore[attr-defined]
                listens.add(name)
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("Connections["):
                rules.add(name)
    # The agent's own socket serves its user alone (mode 0600, SO_PEERCRED); the two commands call servers.listening.
    assert listens - rules == {"agent/server.py", "cli/ec2_server.py", "cli/commands/proxy.py"}
    assert rules == {
        "agent/endpoint.py",
        "browser/one_time_link.py",
        "servers/listening.py",
        "signin/listener.py",
    }


def test_the_kernels_table_and_its_answer_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:
        stack.enter_context(socket.create_connection(listener.getsockname(), 5))
        ours = stack.enter_context(listener.accept()[0])
        pair = socket.socketpair()
        for end in pair:
            stack.enter_context(end)
        assert users([ours, pair[0]]) == [os.geteuid(), None]
        monkeypatch.setattr(connections, "_asked", lambda ends: [None] * len(ends))
        assert users([ours, pair[0]]) == [os.geteuid(), None]
