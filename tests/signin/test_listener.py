"""The port that the browser comes back to: one answer of one browser, and nothing for other callers."""

import http.client
import socket
import threading
from collections.abc import Iterator

import pytest

from shellvault.signin.listener import Callback, Listener, listening

STATE = "the-state"


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening(STATE) as running:
        yield running


def ask(listener: Listener, path: str, method: str = "GET", host: str | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", listener.port, timeout=10)
    connection.request(method, path, headers={"Host": host} if host else {})
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body


def come_back(listener: Listener, query: str, pages: list[str]) -> threading.Thread:
    thread = threading.Thread(
        target=lambda: pages.append(ask(listener, f"/oauth/callback?{query}")[1]), daemon=True
    )
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/favicon.ico", "GET", 404),
        ("/", "GET", 404),
        ("/oauth/callback?code=x", "GET", 400),
        ("/oauth/callback?code=x&state=other", "GET", 400),
        (f"/oauth/callback?code=x&state={STATE}", "HEAD", 200),
        (f"/oauth/callback?code=x&state={STATE}", "POST", 405),
        (f"/oauth/callback?code=x&state={STATE}", "OPTIONS", 405),
    ],
)
def test_what_is_no_answer_ends_no_wait(listener: Listener, path: str, method: str, status: int) -> None:
    assert ask(listener, path, method)[0] == status
    assert listener.wait(0, lambda: True) is None


def test_a_foreign_page_that_names_this_machine_gets_nothing(listener: Listener) -> None:
    path = f"/oauth/callback?code=x&state={STATE}"
    assert ask(listener, path, host=f"evil.example:{listener.port}")[0] == 404
    assert listener.wait(0, lambda: True) is None


def test_the_page_says_what_came_of_the_code(listener: Listener) -> None:
    pages: list[str] = []
    thread = come_back(listener, f"code=abc&state={STATE}", pages)
    assert listener.wait(5, lambda: True) == Callback("abc")
    assert pages == []
    listener.finish("signed-in")
    thread.join(5)
    assert "You are signed in" in pages[0]
    assert "abc" not in pages[0]
    assert "This sign-in is over" in ask(listener, f"/oauth/callback?code=abc&state={STATE}")[1]


def test_a_refusal_arrives_with_its_reason(listener: Listener) -> None:
    pages: list[str] = []
    come_back(listener, f"error=access_denied&error_description=No&state={STATE}", pages)
    assert listener.wait(5, lambda: True) == Callback(None, "access_denied", "No")


def test_the_pages_load_nothing_and_are_not_kept(listener: Listener) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", listener.port, timeout=10)
    connection.request("GET", "/oauth/callback?state=other")
    answer = connection.getresponse()
    body = answer.read().decode()
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert (answer.headers["Cache-Control"], answer.headers["Referrer-Policy"]) == ("no-store", "no-referrer")
    assert "http" not in body.replace("https://", "http").replace("<html", "")
    assert "prefers-color-scheme: dark" in body


def test_idle_and_hostile_connections_keep_no_caller_out(listener: Listener) -> None:
    idle = [socket.create_connection(("127.0.0.1", listener.port)) for _ in range(4)]
    garbage = socket.create_connection(("127.0.0.1", listener.port))
    garbage.sendall(b"\x16\x03\x01" + b"A" * 20_000)
    pages: list[str] = []
    come_back(listener, f"code=abc&state={STATE}", pages)
    assert listener.wait(5, lambda: True) == Callback("abc")
    for connection in (*idle, garbage):
        connection.close()


def test_only_this_machine_can_connect_and_the_port_is_freed() -> None:
    with listening(STATE) as running:
        assert running.redirect_uri == f"http://127.0.0.1:{running.port}/oauth/callback"
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.2", running.port), timeout=1)
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", running.port), timeout=1)
