"""Runs a command without the marks and the ancestors of a coding agent.

Tests set their own callers (shellvault.actors). A coding agent that runs the tests must not be one of them.
The command becomes a child of init, or of the nearest subreaper: there it has no ancestors of ours.

usage: python -m scripts.without_callers COMMAND [ARGUMENT]...
"""

import os
import signal
import sys
import time

from shellvault.actors import MARKERS

#: How the process that has left its ancestors is started.
SERVE = "--serve"


def main() -> int:
    """Runs it in our terminal and folder, and returns its exit status; signals of ours go to it."""
    status, reply = os.pipe()
    if os.fork() == 0:
        between = os.getpid()
        if os.fork():
            os._exit(0)
        # Once that has gone, so that nothing is seen of it.
        while os.getppid() == between:
            time.sleep(0.001)
        os.set_inheritable(reply, True)
        environment = {name: value for name, value in os.environ.items() if name not in MARKERS}
        words = [sys.executable, "-m", "scripts.without_callers", SERVE, str(reply), *sys.argv[1:]]
        # A copy of this process would still show the marks (proc_pid_environ(5)).
        os.execve(words[0], words, environment)  # noqa: S606 - in the place of this copy
    os.close(reply)
    os.wait()
    with os.fdopen(status, "rb") as lines:
        child = int(lines.readline())
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, frame: _pass_on(child, number))
        return int(lines.readline() or b"1")


def _serve(command: list[str], reply: int) -> None:
    """Runs the command in a child, says its process id and then its exit status; does not return."""
    child = os.posix_spawnp(command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_CLOSE, reply)])
    os.write(reply, f"{child}\n".encode())
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.write(reply, f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF}\n".encode())
    os._exit(0)


def _pass_on(child: int, number: int) -> None:
    try:
        os.kill(child, number)
    except ProcessLookupError:
        return


if __name__ == "__main__":
    if sys.argv[1] == SERVE:
        _serve(sys.argv[3:], int(sys.argv[2]))
    sys.exit(main())
