"""The door to the agent, run by path, since `-I -S` finds no installed package.

`python -I -S __main__.py detached FOLDER` (or `foreground FOLDER`, or `afresh FOLDER DESCRIPTOR` by itself); its worker
has a door of its own.
"""

import os
import sys

PACKAGE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 - pathlib waits, see `main`


def fresh_command(folder: str) -> tuple[str, ...]:
    """The command line of an agent that goes on in the same process, without its descriptor."""
    return (sys.executable, "-I", "-S", PACKAGE + "/agent/__main__.py", "afresh", folder)


def watcher_command() -> tuple[str, ...]:
    """The command line of a watcher, without what it watches for and its descriptor."""
    return (sys.executable, "-I", PACKAGE + "/watcher/__main__.py")


def detach() -> None:
    """Leaves the terminal, its process group and the command that started us (daemon(7))."""
    os.setsid()
    os.chdir("/")
    if os.fork():
        os._exit(0)
    os.umask(0o077)


def tell_starter() -> None:
    """Closes the pipe at whose end the command that started us waits."""
    silence = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    os.dup2(silence, 1)
    os.close(silence)


def is_started_by_ours() -> bool:
    """Whether our starter is no coding agent.

    Asked before we leave its process group: a starter that is killed with its group takes us along, or is known by now.
    """
    from shellvault.actors import Actors, seen, words_of

    return Actors(seen, words_of).of(os.getppid()).kind != "coding-agent"


def main(arguments: list[str]) -> None:
    """Becomes the agent."""
    sys.path.append(os.path.dirname(PACKAGE))  # noqa: PTH120 - see above
    from shellvault.agent import spawning

    how, folder, *state = arguments
    # One that goes on afresh knows already.
    is_ours = how == "afresh" or is_started_by_ours()
    worker = None
    if how == "detached":
        # A command waits to ask for a session: what a worker imports takes longer than what we do.
        detach()
        environment = spawning.worker_part(os.environ)
        worker = (*spawning.spawn(spawning.worker_command(), environment), environment)
    from pathlib import Path

    from shellvault.agent import server

    commands = spawning.worker_command(), fresh_command(folder), watcher_command()
    if how == "afresh":
        server.run(Path(folder), *commands, state=int(state[0]))
    elif how == "detached":
        server.run(Path(folder), *commands, ready=tell_starter, worker=worker, is_ours=is_ours)
    else:
        server.run(Path(folder), *commands, is_ours=is_ours)


if __name__ == "__main__":
    main(sys.argv[1:])
