"""The door to the agent's processes, run by path, since `-I -S` finds no installed package.

`python -I -S __main__.py detached FOLDER` (or `foreground FOLDER`) is the agent itself, and
`python -I __main__.py worker DESCRIPTOR` its worker.
"""

import os
import sys
from pathlib import Path
from typing import Literal

HERE = Path(__file__).resolve()
PYTHON = sys.executable


def agent_command(folder: Path, how: Literal["detached", "foreground"]) -> list[str]:
    """The command line of an agent whose socket lies in this folder."""
    return [PYTHON, "-I", "-S", str(HERE), how, str(folder)]


def worker_command() -> tuple[str, ...]:
    """The command line of a worker, without its descriptor."""
    return (PYTHON, "-I", str(HERE), "worker")


def detach() -> None:
    """Leaves the terminal, its process group and the command that started us (daemon(7))."""
    os.setsid()
    if os.fork():
        os._exit(0)


def tell_starter() -> None:
    """Closes the pipe at whose end the command that started us waits."""
    silence = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    os.dup2(silence, 1)
    os.close(silence)


def main(arguments: list[str]) -> None:
    """Becomes the agent or the worker."""
    sys.path.append(str(HERE.parents[2]))
    how, where = arguments
    if how == "worker":
        from shellvault.agent import worker

        worker.main(int(where))
    else:
        from shellvault.agent import server

        if how == "detached":
            detach()
            server.run(Path(where), worker_command(), tell_starter)
        else:
            server.run(Path(where), worker_command())


if __name__ == "__main__":
    main(sys.argv[1:])
