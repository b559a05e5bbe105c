"""How the agent's answer grows: with the profiles of the config file, with sessions, and with shells."""

import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from scripts.bench_report import Row
from scripts.measuring import Case, exponent, interleaved, program, ratio
from shellvault.client import agent as client
from shellvault.fastlane import connection, request
from tests.support.home import Home

PROFILES, SESSIONS, SHELLS = (10, 100, 1000, 10_000), (1, 10, 100, 1000), (1, 10, 100, 200)

#: A time that grows as the number does has the exponent 1; one that is the same for all, 0.
FLAT, LINEAR = 0.2, 1.1

#: Questions in one measurement: one takes a quarter of a millisecond.
QUESTIONS = 50


def rows(home: Home, bare: Case, rounds: int) -> Iterator[Row]:
    """The rows, each with the exponent of a power that fits the times."""
    client.stop(home.environment)
    yield from _profiles(home, bare, rounds)
    yield from _sessions(home, rounds)
    yield from _shells(home, rounds)
    client.stop(home.environment)


def growth(what: str, sizes: Sequence[int], times: Sequence[float], limit: float = LINEAR) -> Row:
    """The row of a fitted exponent."""
    found = exponent(sizes, times)
    title = f"{what}: growth from {sizes[0]:,} to {sizes[-1]:,}"
    return Row(title, f"exponent {found:.2f}", f"exponent {limit}", found <= limit)


def _profiles(home: Home, bare: Case, rounds: int) -> Iterator[Row]:
    head = home.config_file.read_text().partition("[profile work]")[0]
    cases = {"F": bare}
    for count in PROFILES:
        path = home.path / f"config-{count}"
        path.write_text(f"{head}[profile work]\n" + "".join(f"[profile p{n}]\n" for n in range(1, count)))
        environment = home.environment | {"AWS_CONFIG_FILE": str(path)}
        subprocess.run(["shellvault", "env", "work", "--shell", "bash"], env=environment, check=True,
                       stdout=subprocess.DEVNULL, timeout=60)  # fmt: skip
        cases[str(count)] = program("shellvault", "env", "work", "--shell", "bash", environment=environment)
    taken = interleaved(cases, rounds)
    times = [ratio(taken[str(count)], taken["F"]) for count in PROFILES]
    yield growth("warm `env`, profiles", PROFILES, times, FLAT)


def _sessions(home: Home, rounds: int) -> Iterator[Row]:
    times: list[float] = []
    held = 0
    for wanted in SESSIONS:
        with ThreadPoolExecutor(8) as pool:
            replies = set(pool.map(lambda number: _get(home, number), range(held, wanted)))
        if replies - {"ok"}:
            raise RuntimeError(f"the agent answered {replies}")
        held = wanted
        times.append(_asked(home, None, rounds))
    yield growth("answer of the agent, sessions", SESSIONS, times, FLAT)


def _shells(home: Home, rounds: int) -> Iterator[Row]:
    """Shells as the agent sees them: living processes that take their refreshes from it."""
    times: list[float] = []
    with ExitStack() as ending:
        processes: list[subprocess.Popen[bytes]] = []
        for wanted in SHELLS:
            while len(processes) < wanted:
                process = subprocess.Popen(["sleep", "600"])
                ending.callback(process.wait, 10)
                ending.callback(process.kill)
                processes.append(process)
                _ask(home, "get", process.pid)
            times.append(_asked(home, processes[0].pid, rounds))
    yield growth("answer of the agent, shells", SHELLS, times, FLAT)


def _key(home: Home, number: int) -> str:
    return request.encode("work", {"region": f"xx-bench-{number}"}, home.environment, str(home.path))


def _get(home: Home, number: int) -> str:
    return connection.ask(home.environment, "get", "env.bash", None, _key(home, number), 60.0)[0]


def _ask(home: Home, verb: str, pid: int | None) -> None:
    status, _ = connection.ask(home.environment, verb, "refresh.bash", pid, _key(home, 0), 30.0)
    if status != "ok":
        raise RuntimeError(f"the agent answered {status}")


def _asked(home: Home, pid: int | None, rounds: int) -> float:
    """Seconds from a question to the answer."""
    _ask(home, "get", pid)

    def several() -> float:
        started = time.perf_counter()
        for _ in range(QUESTIONS):
            _ask(home, "peek", pid)
        return (time.perf_counter() - started) / QUESTIONS

    return statistics.median(interleaved({"asked": several}, max(rounds // 4, 3))["asked"])
