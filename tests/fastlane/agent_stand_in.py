"""A stand-in for the agent: answers the text half of the protocol with whatever a test wants."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

#: From a request line to the bytes of the reply; None hangs.
Answer = Callable[[str], bytes | None]


@dataclass
class StandIn:
    """What has been asked, and what is answered; `answer` may be changed at any time."""

    path: Path
    answer: Answer
    requests: list[str] = field(default_factory=list)
    hung: list[socket.socket] = field(default_factory=list)


@contextmanager
def standing_in(path: Path, answer: Answer) -> Iterator[StandIn]:
    """Listens on the Unix socket `path` until the block ends."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(128)
    stand_in = StandIn(path, answer)
    thread = threading.Thread(target=_serve, args=(listener, stand_in), daemon=True)
    thread.start()
    try:
        yield stand_in
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(timeout=10)
        for connection in stand_in.hung:
            connection.close()
        path.unlink(missing_ok=True)


def _serve(listener: socket.socket, stand_in: StandIn) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with contextlib.suppress(OSError):
            line = connection.makefile("rb").readline().decode("ascii").rstrip("\n")
            stand_in.requests.append(line)
            reply = stand_in.answer(line)
            if reply is None:
                stand_in.hung.append(connection)
                continue
            connection.sendall(reply)
        connection.close()
