"""What a person waits for besides warm commands: the first command of the day, lists, help; and the memory."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from scripts.bench_growth import growth
from scripts.bench_report import Row
from scripts.measuring import Case, difference, interleaved, program, ratio
from shellvault.client import agent as client
from tests.support.emulator import Keys
from tests.support.home import Home

MIB, MS = 1024 * 1024, 1000

#: Profiles in the config file, with the milliseconds that `list` may take.
LISTS = ((10, 30), (1000, 80), (10_000, 600))
#: Commands started together where nothing runs.
CROWDS = (20, 100)

#: Commands that ask no person, and the multiple of F that each may take.
COMMANDS: Sequence[tuple[Sequence[str], float]] = (
    (("--version",), 1.3),
    (("--help",), 1.3),
    (("help", "env"), 1.3),
    (("why", "work"), 4),
    (("status",), 4),
    (("config",), 4),
    (("agent", "status"), 4),
)


@contextmanager
def in_a_keyring(home: Home, keys: Keys) -> Iterator[tuple[str, dict[str, str]]]:
    """A name with keys in the kernel's keyring, which needs no passphrase, and its environment."""
    name = f"bench-{os.getpid()}"
    environment = {name: value for name, value in home.environment.items() if "PASSPHRASE" not in name}
    environment["SHELLVAULT_BACKEND"] = "keyctl"
    pair = {"AWS_ACCESS_KEY_ID": keys.access_key_id, "AWS_SECRET_ACCESS_KEY": keys.secret_access_key}
    _run(environment | pair, "add", "--env", "--no-check", name)
    try:
        yield name, environment
    finally:
        _run(environment, "remove", "--force", name)


def starts(home: Home, keys: Keys, sts: Case, rounds: int) -> Iterator[Row]:
    """The first command of the day, alone and in crowds, with keys in a keyring that is open."""
    with in_a_keyring(home, keys) as (name, environment):
        export = ("shellvault", "export", name, "--format", "json")
        command = program(*export, environment=environment)

        def first() -> float:
            client.stop(environment)
            return command()

        taken = interleaved({"STS": sts, "first": first}, max(rounds // 4, 3))
        over = difference(taken["first"], taken["STS"]) * MS
        yield Row("first command, nothing running", f"STS + {over:.0f} ms", "STS + 250 ms", over <= 250)
        for size in CROWDS:
            client.stop(environment)
            cold = _together(environment, export, size)
            client.forget(environment)
            warm = _together(environment, export, size)
            budget = 1.5 * warm + 0.3
            title = f"{size} commands at once, nothing running"
            stated = f"1.5 x {warm:.2f} s (agent up) + 0.3 s = {budget:.2f} s"
            yield Row(title, f"{cold:.2f} s", stated, cold <= budget)
        client.stop(environment)


def colds(home: Home, keys: Keys, sts: Case, rounds: int) -> Iterator[Row]:
    """A session that is not cached: with 10,000 profiles, and just after the last job."""
    with in_a_keyring(home, keys) as (name, environment):
        head = home.config_file.read_text().partition("[profile work]")[0]
        many = home.path / "config-many"
        many.write_text(head + "".join(f"[profile p{n}]\nregion = eu-west-1\n" for n in range(10_000)))
        export = ("shellvault", "export", name, "--format", "json")
        few, all_of_them = (
            program(*export, environment=environment | more) for more in ({}, {"AWS_CONFIG_FILE": str(many)})
        )

        def with_many() -> float:
            _forget(environment)
            return all_of_them()

        def just_after() -> float:
            _forget(environment)
            few()
            client.forget(environment)
            return few()

        few()
        taken = interleaved({"STS": sts, "many": with_many, "after": just_after}, max(rounds // 4, 3))
        for case, title, limit in (
            ("many", "cold, 10,000 profiles", 150),
            ("after", "cold, just after the last job", 93),
        ):
            over = difference(taken[case], taken["STS"]) * MS
            yield Row(title, f"STS + {over:.0f} ms", f"STS + {limit} ms", over <= limit)
        client.stop(environment)


def _forget(environment: dict[str, str]) -> None:
    """Leaves an agent without sessions, and the worker that it keeps ready."""
    client.forget(environment)
    deadline = time.monotonic() + 10
    while not (client.status(environment) or {}).get("worker_ready"):
        if time.monotonic() > deadline:
            raise TimeoutError("no worker gets ready")
        time.sleep(0.02)


def _together(environment: dict[str, str], command: Sequence[str], size: int) -> float:
    started = time.perf_counter()
    running = [
        subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(size)
    ]
    statuses = [process.wait(120) for process in running]
    if any(statuses):
        raise RuntimeError("a command of the crowd has failed")
    return time.perf_counter() - started


def lists(home: Home, rounds: int) -> Iterator[Row]:
    """`list` by the number of profiles, and how it grows."""
    head = home.config_file.read_text().partition("[profile work]")[0]
    cases = {}
    for count, _ in LISTS:
        path = home.path / f"config-{count}"
        role = "source_profile = work\nrole_arn = arn:aws:iam::123456789012:role/r"
        path.write_text(
            f"{head}[profile work]\n" + "".join(f"[profile p{n}]\n{role}\n" for n in range(1, count))
        )
        environment = home.environment | {"AWS_CONFIG_FILE": str(path), "SHELLVAULT_BACKEND": "keyctl"}
        cases[str(count)] = program("shellvault", "list", environment=environment)
    taken = interleaved(cases, max(rounds // 4, 3))
    times = [statistics.median(taken[str(count)]) * MS for count, _ in LISTS]
    for (count, limit), measured in zip(LISTS, times, strict=True):
        title = f"`list`, {count:,} profiles"
        yield Row(title, f"{measured:.0f} ms", f"{limit} ms", measured <= limit)
    # What every command takes, whatever there is to list, would make it less.
    yield growth("`list`", [count for count, _ in LISTS][1:], times[1:])


def commands(home: Home, bare: Case, rounds: int) -> Iterator[Row]:
    """Commands that need no session, through the installed command."""
    cases = {"F": bare}
    for words, _ in COMMANDS:
        home.shellvault(*words)
        cases[" ".join(words)] = program(
            "shellvault", *words, environment=home.environment, statuses=(0, 1, 2, 3)
        )
    taken = interleaved(cases, max(rounds // 2, 3))
    for words, limit in COMMANDS:
        times = ratio(taken[" ".join(words)], taken["F"])
        title = f"`{' '.join(words)}`"
        yield Row(title, f"{times:.2f} F", f"{limit} F", times <= limit, "1.00 F", times)


def kept_in_memory(home: Home) -> Iterator[Row]:
    """What the agent and the worker that it keeps ready occupy together; the floor is that of bare interpreters."""
    client.stop(home.environment)
    home.succeed("env", "work", "--shell", "bash")
    # The worker that did it leaves after a second, and the next one gets ready.
    time.sleep(4)
    status = client.status(home.environment)
    if status is None:
        raise RuntimeError("the agent does not run")
    agent = int(status["pid"])
    children = Path(f"/proc/{agent}/task/{agent}/children").read_text().split()
    alone, together = proportional(agent), sum(map(proportional, (agent, *map(int, children))))
    measured, floor = f"{together / MIB:.1f} MiB", _bare_memory() / MIB
    title = "agent and ready worker (PSS)"
    yield Row(
        title,
        measured,
        "40 MiB",
        together <= 40 * MIB,
        f"{floor * (1 + len(children)):.1f} MiB",
        together / MIB,
    )
    measured = f"{alone / MIB:.1f} MiB"
    title = "agent alone, as after 5 idle minutes (PSS)"
    yield Row(title, measured, "15 MiB", alone <= 15 * MIB, f"{floor:.1f} MiB", alone / MIB)


def _bare_memory() -> int:
    """The proportional set size of an interpreter that has loaded nothing."""
    command = [sys.executable, "-I", "-S", "-c", "import sys; print(flush=True); sys.stdin.read()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout  # noqa: S101 - as asked for
        process.stdout.readline()
        return proportional(process.pid)


def proportional(pid: int) -> int:
    """A process's proportional set size in bytes (Pss of proc_pid_smaps(5))."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no Pss")


def _run(environment: dict[str, str], *arguments: str) -> None:
    subprocess.run(["shellvault", *arguments], env=environment, check=True, capture_output=True, timeout=60)
