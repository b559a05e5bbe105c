"""The door to the agent, run by path, since `-I -S` finds no installed package.

`python -I -S __main__.py detached FOLDER` (or `foreground FOLDER`, or `afresh FOLDER DESCRIPTOR` by itself); its worker
has a door of its own.
"""

import os
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def worker_command() -> tuple[str, ...]:
    """The command line of a worker, without its descriptor."""
    return (sys.executable, "-I", str(PACKAGE / "worker" / "__main__.py"))


def fresh_command(folder: str) -> tuple[str, ...]:
    """The command line of an agent that goes on in the same process, without its descriptor."""
    return (sys.executable, "-I", "-S", str(PACKAGE / "agent" / "__main__.py"), "afresh", folder)


def watcher_command() -> tuple[str, ...]:
    """The command line of a watcher, without what it watches for and its descriptor."""
    return (sys.executable, "-I", str(PACKAGE / "watcher" / "__main__.py"))


def detach() -> None:
    """Leaves the terminal, its process group and the command that started us (daemon(7))."""
    os.setsid()
    os.chdir("/")
    if os.fork():
        os._exit(0)


def tell_starter() -> None:
    """Closes the pipe at whose end the command that started us waits."""
    silence = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    os.dup2(silence, 1)
    os.close(silence)


def main(arguments: list[str]) -> None:
    """Becomes the agent."""
    sys.path.append(str(PACKAGE.parent))
    from shellvault.agent import server

    how, folder, *state = arguments
    commands = worker_command(), fresh_command(folder), watcher_command()
    if how == "afresh":
        server.run(Path(folder), *commands, state=int(state[0]))
    elif how == "detached":
        detach()
        server.run(Path(folder), *commands, ready=tell_starter, is_awaited=True)
    else:
        server.run(Path(folder), *commands)


if __name__ == "__main__":
    main(sys.argv[1:])
