"""The door to the agent's processes: `python -I -S __main__.py FOLDER` is the agent itself, and
`python -I __main__.py worker DESCRIPTOR` its worker. Run by path, since `-I -S` finds no installed package.
"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve()
PYTHON = sys.executable


def agent_command(folder: Path) -> list[str]:
    """The command line of an agent that detaches itself."""
    return [PYTHON, "-I", "-S", str(HERE), str(folder)]


def worker_command() -> tuple[str, ...]:
    """The command line of a worker, without its descriptor."""
    return (PYTHON, "-I", str(HERE), "worker")


def detach() -> None:
    """Leaves the terminal, its process group and the command that started us (daemon(7))."""
    os.setsid()
    if os.fork():
        os._exit(0)


def main(arguments: list[str]) -> None:
    """Becomes the agent or the worker."""
    sys.path.append(str(HERE.parents[2]))
    if arguments[0] == "worker":
        from shellvault.agent import worker

        worker.main(int(arguments[1]))
    else:
        from shellvault.agent import server

        detach()
        server.run(Path(arguments[0]), worker_command())


if __name__ == "__main__":
    main(sys.argv[1:])
