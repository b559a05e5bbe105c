"""A worker process started with a socket: by little enough that the agent can do it before it imports the rest."""

import _socket
import os
import sys
from collections.abc import Mapping

from shellvault.fastlane.starting import WORKER_VARIABLES

#: The folder of the package.
PACKAGE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 - pathlib is a part of the rest

#: SIGHUP, SIGINT and SIGTERM, which have these numbers on every POSIX system (signal(7)).
ENDING = (1, 2, 15)


def worker_command() -> tuple[str, ...]:
    """The command line of a worker, without its descriptor."""
    return (sys.executable, "-I", PACKAGE + "/worker/__main__.py")


def worker_part(environment: Mapping[str, str]) -> dict[str, str]:
    """What a worker process gets of an environment."""
    return {name: environment[name] for name in WORKER_VARIABLES if name in environment}


def spawn(command: tuple[str, ...], environment: Mapping[str, str]) -> tuple[int, int]:
    """Starts a worker process. Returns its number and the descriptor of our end of its socket.

    Raises OSError, and ValueError for an environment that cannot be passed on.
    """
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        os.set_inheritable(theirs.fileno(), True)
        silence = [(os.POSIX_SPAWN_OPEN, descriptor, os.devnull, os.O_RDWR, 0) for descriptor in (0, 1, 2)]
        pid = os.posix_spawn(
            command[0],
            [*command, str(theirs.fileno())],
            environment,
            file_actions=silence,
            setsigdef=ENDING,
        )
        return pid, ours.detach()
    finally:
        ours.close()
        theirs.close()
