"""Which process asks: the one at the other end of a local TCP connection. Only Linux shows it (proc_net_tcp(5))."""

import os
import socket
from contextlib import suppress
from pathlib import Path

_TABLE = Path("/proc/net/tcp")


def process_of(connection: socket.socket) -> int | None:
    """The number of the process at the other end; None where the system does not show it, as for root's."""
    with suppress(OSError, ValueError, IndexError):
        ends = f"{_hexadecimal(connection.getpeername())} {_hexadecimal(connection.getsockname())}"
        lines = _TABLE.read_text("ascii").splitlines()[1:]
        inodes = [fields[9] for fields in map(str.split, lines) if " ".join(fields[1:3]) == ends]
        if inodes:
            return _holder_of(f"socket:[{inodes[0]}]")
    return None


def _hexadecimal(address: tuple[str, int]) -> str:
    """An IPv4 address and port as the table has them: the address in the machine's own order of bytes."""
    number = int.from_bytes(socket.inet_aton(address[0]), "little")
    return f"{number:08X}:{address[1]:04X}"


def _holder_of(name: str) -> int | None:
    """The first process that has this file open, as far as this user may look."""
    for pid in filter(str.isdecimal, os.listdir("/proc")):  # noqa: PTH208 - names are wanted
        with suppress(OSError):
            for file in os.scandir(f"/proc/{pid}/fd"):
                with suppress(OSError):
                    if os.readlink(file.path) == name:  # noqa: PTH115 - for every open file
                        return int(pid)
    return None
