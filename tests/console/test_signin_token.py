"""The federation endpoint is asked once, believed only when it answers as AWS does, and never quoted."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from shellvault.console import signin_token as module
from shellvault.console.signin_token import signin_token
from shellvault.errors import SessionError
from shellvault.sessions.model import Session

SESSION = Session("ASIAEXAMPLE", "the-secret", "the-token", 1_800_000_000, 1_799_996_400)


@contextmanager
def federation(status: int, body: bytes, **headers: str) -> Iterator[tuple[str, list[str]]]:
    """An endpoint that answers everything alike; its URL, and the paths that it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/federation", asked
        finally:
            server.shutdown()


def test_the_token_is_what_aws_answers() -> None:
    with federation(200, b'{"SigninToken":"abcdefgh-_.~"}') as (endpoint, asked):
        assert signin_token(endpoint, SESSION, 3600) == "abcdefgh-_.~"
    query = parse_qs(urlsplit(asked[0]).query)
    assert query["Action"] == ["getSigninToken"]
    assert json.loads(query["Session"][0])["sessionToken"] == "the-token"
    assert query["SessionDuration"] == ["3600"]


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"SigninToken":5}', b'{"SigninToken":"a b"}', b"x" * 100_000]
)
def test_what_is_no_token_is_refused(body: bytes) -> None:
    with federation(200, body) as (endpoint, _), pytest.raises(SessionError, match="gave no sign-in token"):
        signin_token(endpoint, SESSION, None)


@pytest.mark.parametrize(
    ("status", "seconds", "said"),
    [
        (400, 7200, "leave out --duration"),
        (400, None, "try again with --fresh"),
        (403, None, "try again with --fresh"),
        (500, None, "try again later"),
        (302, None, "HTTP 302"),
    ],
)
def test_a_refusal_says_what_to_do(status: int, seconds: int | None, said: str) -> None:
    with (
        federation(status, b"", Location="http://127.0.0.1:1/") as (endpoint, asked),
        pytest.raises(SessionError, match=said),
    ):
        signin_token(endpoint, SESSION, seconds)
    assert len(asked) == 1


def test_no_answer_and_no_network_are_bounded_and_quote_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SessionError, match="cannot be reached") as unreachable:
        signin_token("http://127.0.0.1:1/federation", SESSION, None)
    assert "secret" not in str(unreachable.value)
    monkeypatch.setattr(module, "DEADLINE", 0.3)
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(SessionError, match="cannot be reached"):
            signin_token(f"http://127.0.0.1:{port}/federation", SESSION, None)


def test_long_term_keys_cannot_sign_in() -> None:
    with pytest.raises(SessionError, match="leave out --no-session"):
        signin_token("http://127.0.0.1:1/federation", Session("AKIAEXAMPLE", "secret"), None)
