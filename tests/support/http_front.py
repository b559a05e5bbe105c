"""A small HTTP server on loopback that stands before the emulator: the part that every front shares."""

import http.client
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

#: Bytes of a request; STS takes 200 KB at most.
_REQUEST_LIMIT = 1024 * 1024
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "server", "date"}


class Answer(NamedTuple):
    """What a POST is answered with."""

    status: int
    headers: dict[str, str]
    body: bytes


@contextmanager
def serving(answer: Callable[[dict[str, str], bytes], Answer]) -> Iterator[str]:
    """Answers each POST by `answer(headers, body)`, in a thread of its own, until the block ends; the URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = min(int(self.headers.get("Content-Length", 0)), _REQUEST_LIMIT)
            # Names of header fields are case-insensitive (RFC 9110, 5.1).
            named = {name.title(): value for name, value in self.headers.items()}
            status, headers, body = answer(named, self.rfile.read(length))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def forward(upstream: str, headers: dict[str, str], body: bytes) -> Answer:
    """Passes a POST on untouched, the Host header included, since the emulator checks its signature."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(upstream).netloc, timeout=30)
    try:
        connection.putrequest("POST", "/", skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        kept = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP}
        return Answer(answer.status, kept, answer.read())
    finally:
        connection.close()
