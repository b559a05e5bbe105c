"""Times that can be compared: every case runs once a round, so a slow moment of the machine meets all."""

import math
import os
import shutil
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

#: Runs one case once, and returns the seconds that it took.
Case = Callable[[], float]


def interleaved(cases: Mapping[str, Case], rounds: int) -> dict[str, list[float]]:
    """The seconds of every case in every round. The first round, which finds cold caches, is not counted."""
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(rounds + 1):
        for name, case in cases.items():
            seconds = case()
            if number:
                taken[name].append(seconds)
    return taken


def ratio(taken: Sequence[float], base: Sequence[float]) -> float:
    """The median over the rounds of one case's time in another's."""
    return statistics.median(one / other for one, other in zip(taken, base, strict=True))


def difference(taken: Sequence[float], base: Sequence[float]) -> float:
    """The median over the rounds of what one case takes longer than another, in seconds."""
    return statistics.median(one - other for one, other in zip(taken, base, strict=True))


def exponent(sizes: Sequence[int], times: Sequence[float]) -> float:
    """The power of the size by which the times grow, fitted by least squares to their logarithms."""
    points = [(math.log(size), math.log(seconds)) for size, seconds in zip(sizes, times, strict=True)]
    return statistics.linear_regression(*zip(*points, strict=True)).slope


def program(*command: str, environment: Mapping[str, str], statuses: Sequence[int] = (0,)) -> Case:
    """A case that runs a program from its start to its end, its output thrown away.

    Raises RuntimeError for a program that is not there or, when run, ends with another status.
    """
    path = shutil.which(command[0], path=environment.get("PATH"))
    if path is None:
        raise RuntimeError(f"no {command[0]} on PATH")
    null = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]

    def run() -> float:
        started = time.perf_counter()
        pid = os.posix_spawn(path, command, environment, file_actions=null)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        taken = time.perf_counter() - started
        if status not in statuses:
            raise RuntimeError(f"{' '.join(command)[:200]}: exit status {status}")
        return taken

    return run
