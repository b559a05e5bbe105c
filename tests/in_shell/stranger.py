"""Another user of the machine, who may write where the agent's folder lies, and who tries to be taken for the agent.

usage: stranger.py UID FOLDER SWAPS TEXT

In FOLDER there is `shellvault` with the agent's socket. The stranger makes `other` with a socket of its own, and
exchanges the two SWAPS times, once there is FOLDER/ready, and on until there is FOLDER/enough. To whoever asks it
answers, in several ways, with TEXT. In the end it writes how many have asked to FOLDER/asked.
"""

import ctypes
import os
import random
import socket
import sys
import threading
import time
from pathlib import Path

#: renameat2(2)
AT_FDCWD, RENAME_EXCHANGE = -100, 2

#: Longest pause between two exchanges, in seconds: a few times what a shell takes to look, to connect and to read.
PAUSE = 0.003


def answers(text: bytes) -> list[bytes]:
    """What the stranger tries: the status alone, with a wrong secret, with none, and with what could be a pattern."""
    return [b"ok\n" + text, b"0" * 32 + b" ok\n" + text, b" ok\n" + text, b"\n" + text, b"* ok\n" + text]


def main() -> None:
    uid, folder, swaps, text = int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4].encode()
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
    other = folder / "other"
    other.mkdir(mode=0o700)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(other / "agent.sock"))
    listener.listen(128)
    asked = [0]
    threading.Thread(target=serve, args=(listener, answers(text), asked), daemon=True).start()
    libc = ctypes.CDLL(None, use_errno=True)
    deadline = time.monotonic() + 30
    while not (folder / "ready").exists():
        if time.monotonic() > deadline:
            sys.exit("nobody came")
        time.sleep(0.01)
    deadline = time.monotonic() + 60 + swaps * PAUSE
    done = 0
    while done < swaps or not (folder / "enough").exists():
        if time.monotonic() > deadline:
            sys.exit("the shell is too slow")
        done += 1
        paths = (os.fsencode(other), os.fsencode(folder / "shellvault"))
        if libc.renameat2(AT_FDCWD, paths[0], AT_FDCWD, paths[1], RENAME_EXCHANGE):
            raise OSError(ctypes.get_errno(), "renameat2")
        time.sleep(random.random() * PAUSE)
    (folder / "asked").write_text(str(asked[0]))


def serve(listener: socket.socket, replies: list[bytes], asked: list[int]) -> None:
    while True:
        channel, _ = listener.accept()
        with channel:
            try:
                channel.settimeout(1)
                channel.recv(65536)
                channel.sendall(replies[asked[0] % len(replies)])
            except OSError:
                pass
            asked[0] += 1


if __name__ == "__main__":
    main()
