"""The connections of a listener: a limited number, in which unproven connections cannot block others.

One rule for every local listener: when it is full, a new connection replaces an unproven one. Another user's goes
first, then one of an unknown user, then the user's own; the oldest of each kind first. Another user's connection
never replaces the user's own. Each listener sets its own time limits.
"""

import os
import socket
import struct
import sys
import time
from _thread import allocate_lock  # threading itself is more than the agent needs
from collections.abc import Callable, Collection, Hashable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

#: Seconds between two look-ups of the connections' users: a look-up reads the kernel's whole table.
LOOK_EVERY = 0.1

#: Seconds without accepting after accepting has failed: out of files, or the other side has gone already.
ACCEPT_PAUSE = 0.1

#: linux/netlink.h, linux/sock_diag.h.
_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST = 4, 20, 1

Connection = TypeVar("Connection", bound=Hashable)


class Connections(Generic[Connection]):
    """The open connections. Threads may share it."""

    def __init__(
        self,
        limit: int,
        drop: Callable[[Connection], object],
        socket_of: Callable[[Connection], socket.socket],
    ) -> None:
        """`drop` ends a connection that is replaced."""
        self._limit = limit
        self._drop = drop
        self._socket_of = socket_of
        self._unproven: dict[Connection, int] = {}
        """Each one's rank (`_strangeness`), oldest first; new ones count as the user's own until the next look-up."""
        self._looked_at = -LOOK_EVERY
        self._proven: set[Connection] = set()
        self._lock = allocate_lock()

    def admit(self, one: Connection) -> bool:
        """Adds a connection, replacing another if full. False: there is no place, and the caller must end it."""
        with self._lock:
            is_full = len(self._unproven) + len(self._proven) >= self._limit
            self._unproven[one] = 0
            loser = self._loser() if is_full else None
            if loser is not None:
                del self._unproven[loser]
            if loser is one:
                return False
        if loser is not None:
            self._drop(loser)
        return True

    def prove(self, one: Connection) -> None:
        """Marks a connection as proven: it is not replaced any more."""
        with self._lock:
            if one in self._unproven:
                del self._unproven[one]
                self._proven.add(one)

    def leave(self, one: Connection) -> None:
        """Removes a connection that has ended."""
        with self._lock:
            self._unproven.pop(one, None)
            self._proven.discard(one)

    def _loser(self) -> Connection:
        """The connection to drop: the new one, unless another ranks before it."""
        if time.monotonic() - self._looked_at >= LOOK_EVERY:
            self._looked_at = time.monotonic()
            found = users([self._socket_of(each) for each in self._unproven])
            self._unproven = dict(zip(self._unproven, map(_strangeness, found), strict=True))
        return max(self._unproven, key=self._unproven.__getitem__)


def _strangeness(user: int | None) -> int:
    return 1 if user is None else 0 if user in (0, os.geteuid()) else 2


def users(sockets: Sequence[socket.socket]) -> list[int | None]:
    """The user at the other end of each local TCP connection; None: unknown, as in another namespace."""
    ends = [_ends(each) for each in sockets]
    found = _asked(ends)
    if None in found and any(ends):
        table = _table({each[1] for each in ends if each})
        found = [
            table.get(each) if user is None and each else user for each, user in zip(ends, found, strict=True)
        ]
    return found


Address = tuple[str, int]
Ends = tuple[Address, Address] | None


def _ends(connection: socket.socket) -> Ends:
    """Their address and ours; None unless it is an open TCP connection over IPv4."""
    try:
        return (
            (connection.getpeername(), connection.getsockname())
            if connection.family == socket.AF_INET
            else None
        )
    except OSError:
        return None


def _asked(ends: Sequence[Ends]) -> list[int | None]:
    """The users of single connections (sock_diag(7)): the whole table may be long."""
    unknown: list[int | None] = [None] * len(ends)
    if sys.platform != "linux":
        return unknown
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _SOCK_DIAG) as kernel:
            kernel.settimeout(1.0)
            return [_asked_one(kernel, each) if each else None for each in ends]
    except OSError:
        return unknown


def _asked_one(kernel: socket.socket, ends: tuple[Address, Address]) -> int | None:
    (their_address, their_port), (our_address, our_port) = ends
    names = socket.inet_aton(their_address), socket.inet_aton(our_address)
    # inet_diag_req_v2: IPv4, TCP, every state, and the socket at the other end, by no cookie.
    sought = struct.pack("!HH4s12x4s12xI8s", their_port, our_port, *names, 0, b"\xff" * 8)
    asked = struct.pack("=BBBxI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0xFFFFFFFF) + sought
    kernel.send(struct.pack("=IHHII", 16 + len(asked), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 0, 0) + asked)
    reply = kernel.recv(4096)
    # nlmsghdr; inet_diag_msg: four bytes, the socket, three numbers, the user.
    is_found = len(reply) >= 84 and struct.unpack_from("=H", reply, 4)[0] == _SOCK_DIAG_BY_FAMILY
    return int(struct.unpack_from("=I", reply, 16 + 4 + 48 + 12)[0]) if is_found else None


def _table(ours: Collection[Address]) -> dict[Ends, int]:
    """The users of all connections to these addresses of ours (proc_pid_net(5), tcp: uid)."""
    shown = {_shown(each): each for each in ours}
    found: dict[Ends, int] = {}
    try:
        with open("/proc/thread-self/net/tcp", encoding="ascii") as table:  # noqa: PTH123 - pathlib costs the agent
            for line in table:
                row = line.split(None, 8)
                if row[2] in shown:
                    found[_read(row[1]), shown[row[2]]] = int(row[7])
    except OSError:
        pass
    return found


def _shown(address: Address) -> str:
    number = int.from_bytes(socket.inet_aton(address[0]), sys.byteorder)
    return f"{number:08X}:{address[1]:04X}"


def _read(shown: str) -> Address:
    number, port = shown.split(":")
    return socket.inet_ntoa(int(number, 16).to_bytes(4, sys.byteorder)), int(port, 16)


def hang_up(connection: socket.socket) -> None:
    """Ends a connection in both directions, also while another thread reads from it."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def accept(listener: socket.socket, is_over: Callable[[], bool]) -> socket.socket | None:
    """The next connection; None once the listener is closed, or `is_over`."""
    while not is_over():
        try:
            return listener.accept()[0]
        except TimeoutError:
            continue
        except OSError:
            if listener.fileno() < 0:
                return None
            time.sleep(ACCEPT_PAUSE)
    return None
