"""The head of an HTTP request, read from a connection by h11: for listeners that serve a browser once."""

import socket
import time

import h11

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
