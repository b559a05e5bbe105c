"""A network namespace: a machine within this one that has a loopback interface of its own, and nothing else.

Made by ip-netns(8), which takes root. It stands for a container where no container runtime is.
"""

import ctypes
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.clients import need

CLONE_NEWNET = 0x40000000


@contextmanager
def namespace() -> Iterator[list[str]]:
    """The words that a command is started with to run in a new namespace. Skips the test without root."""
    ip = str(need("ip"))
    if os.geteuid() != 0:
        pytest.skip("needs root")
    name = f"shellvault-{os.getpid()}-{threading.get_ident() % 10000}"
    subprocess.run([ip, "netns", "add", name], check=True, timeout=20)
    try:
        inside = [ip, "netns", "exec", name]
        subprocess.run([*inside, ip, "link", "set", "lo", "up"], check=True, timeout=20)
        yield inside
    finally:
        subprocess.run([ip, "netns", "delete", name], check=True, timeout=20)


@contextmanager
def bridged(inside: list[str], url: str) -> Iterator[None]:
    """Has a server of this machine's loopback interface answer at the same place in the namespace `inside`."""
    host, port = urlsplit(url).hostname or "", urlsplit(url).port or 80
    listener = _listener_in(inside[-1], host, port)
    thread = threading.Thread(target=_serve, args=(listener, host, port), daemon=True)
    thread.start()
    try:
        yield
    finally:
        # Wakes the thread that waits for a connection.
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def _listener_in(name: str, host: str, port: int) -> socket.socket:
    """A socket stays in the namespace that it was made in (network_namespaces(7))."""
    made: list[socket.socket] = []

    def make() -> None:
        with Path("/run/netns", name).open("rb") as file:
            assert ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET) == 0
        made.append(socket.create_server((host, port)))

    thread = threading.Thread(target=make)
    thread.start()
    thread.join(10)
    return made[0]


def _serve(listener: socket.socket, host: str, port: int) -> None:
    while True:
        try:
            near = listener.accept()[0]
        except OSError:
            return
        far = socket.create_connection((host, port), 10)
        for one, other in ((near, far), (far, near)):
            threading.Thread(target=_copy, args=(one, other), daemon=True).start()


def _copy(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)
