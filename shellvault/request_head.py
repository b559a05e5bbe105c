"""The head of an HTTP request, read from a connection by h11: for listeners that serve a browser once."""

import socket
import time
from collections.abc import Callable
from contextlib import suppress

import h11

from shellvault import threads
from shellvault.connections import Connections, accept

#: Seconds in which one request's head must be whole. h11 takes 16 KiB of it at most.
SECONDS = 5.0


def read(connection: socket.socket) -> h11.Request:
    """The method, target and headers of a request. Raises ValueError for anything else, OSError."""
    end = time.monotonic() + SECONDS
    reader = h11.Connection(h11.SERVER)
    try:
        while not isinstance(event := reader.next_event(), h11.Request):
            connection.settimeout(max(0.01, end - time.monotonic()))
            reader.receive_data(connection.recv(4096))
            if event is not h11.NEED_DATA or time.monotonic() > end:
                raise ValueError("not a request")
    except h11.RemoteProtocolError as error:
        raise ValueError("not a request") from error
    connection.settimeout(SECONDS)
    return event


def serve(
    listener: socket.socket,
    connections: Connections[socket.socket],
    answer: Callable[[socket.socket, h11.Request], object],
    is_over: Callable[[], bool],
) -> None:
    """Has each connection's request answered in a thread, until the listener is closed or `is_over`."""
    while connection := accept(listener, is_over):
        connection.settimeout(SECONDS)
        if connections.admit(connection):
            threads.start(_serve_one, connection, connections, answer)
        else:
            connection.close()


def _serve_one(
    connection: socket.socket,
    connections: Connections[socket.socket],
    answer: Callable[[socket.socket, h11.Request], object],
) -> None:
    try:
        with connection, suppress(OSError, ValueError):
            answer(connection, read(connection))
    finally:
        connections.leave(connection)
