"""Measures the time budgets of the design and writes the table to docs/benchmarks.md.

What is measured is the wheel of this checkout, installed in an environment of its own (tests/support/installation.py).
F is the time of `python -I -S -c pass` with the same interpreter. What is given as a multiple of F was run in
turns with it; the number is the median of the ratios. STS is ministack on the loopback interface.

usage: python -m scripts.bench [--rounds N | --quick]
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from scripts import (
    bench_callers,
    bench_day,
    bench_growth,
    bench_peers,
    bench_profiles,
    bench_report,
    bench_shells,
    bench_unusual,
)
from scripts.bench_report import Row
from scripts.measuring import Case, difference, interleaved, program, ratio
from shellvault.client import agent as client
from shellvault.fastlane import connection, request
from tests.support import emulator
from tests.support.emulator import Aws, Keys
from tests.support.home import Home, make_home
from tests.support.installation import Installation, install
from tests.support.sts_front import fronting

MIB = 1024 * 1024
MS = 1000

#: Commands started together, and sessions that the agent holds, in the two rows about many.
CROWD = 100
SESSIONS = (1, 100, 1000)

#: Turns of a shell's loop with nothing due, with a refresh due by a process and without one, and at TAB.
PROMPTS, PROCESSES, REFRESHES, TABS = 1000, 30, 300, 50


@contextmanager
def scene() -> Iterator[tuple[Home, Installation, Aws, Keys]]:
    """A home with keys in its vault and 1,000 profiles, shellvault and its AWS; the agent ends with it."""
    with tempfile.TemporaryDirectory(prefix="sv-") as folder:
        state, runtime = Path(folder, "aws"), Path(folder, "run")
        state.mkdir()
        runtime.mkdir(mode=0o700)
        installation = install(Path(folder, "installation"))
        home = make_home(Path(folder), runtime, installation.programs)
        del home.environment["SHELLVAULT_NO_AGENT"]
        with emulator.running(state) as aws:
            keys = aws.user("ada")
            role = aws.role("reader", trusts="user/ada")
            device = f"arn:aws:iam::{emulator.ACCOUNT}:mfa/ada"
            home.write_config(
                f"[default]\nregion = {emulator.REGION}\nendpoint_url = {aws.endpoint}\n[profile work]\n"
                f"[profile reader]\nsource_profile = work\nrole_arn = {role}\n"
                "[profile guarded]\n"
                f"mfa_serial = {device}\nmfa_process = sh -c 'echo asked >>{folder}/asked; echo 123456'\n"
                + "".join(f"[profile profile-{number:04}]\n" for number in range(1000))
            )
            for name in ("work", "guarded"):
                added = home.run(
                    "shellvault",
                    "add",
                    "--env",
                    "--no-check",
                    name,
                    AWS_ACCESS_KEY_ID=keys.access_key_id,
                    AWS_SECRET_ACCESS_KEY=keys.secret_access_key,
                )
                if added.returncode:
                    raise RuntimeError(added.stderr)
            try:
                yield home, installation, aws, keys
            finally:
                client.stop(home.environment)


#: How a warm command is started, what that is called in a row, and the budget in F.
WAYS = (
    ("function", "through the shell function", 1.25),
    ("command", "through the installed command", 1.7),
    ("link", "through pipx's link to it", 1.7),
)


def warm(home: Home, installation: Installation, rounds: int) -> Iterator[Row]:
    """The fast lane with an agent that has the session, as the shell function and the command start it."""
    commands = {
        "env": ("env", "work", "--shell", "bash"),
        "env --leave": ("env", "--leave", "--shell", "bash"),
        "init": ("init", "bash"),
        "exec": ("exec", "work", "--", "/bin/true"),
        "export": ("export", "work", "--format", "json"),
    }
    starts = {
        "function": (str(installation.python), "-I", "-S", str(installation.package / "__main__.py")),
        "command": (str(installation.command),),
        "link": (str(installation.programs / "shellvault"),),
    }
    cases = {"F": bare(home), "true": program("/bin/true", environment=home.environment)}
    for name, command in commands.items():
        home.succeed(*command)
        for way, start in starts.items():
            cases[f"{name} by {way}"] = program(*start, *command, environment=home.environment)
    taken = interleaved(cases, rounds)
    # What `exec` runs is not its own time.
    for way in starts:
        name = f"exec by {way}"
        taken[name] = difference_of(taken[name], taken["true"])
    yield Row("F itself", f"{statistics.median(taken['F']) * MS:.1f} ms", "", True)
    for way, title, limit in WAYS:
        for name in commands:
            times = ratio(taken[f"{name} by {way}"], taken["F"])
            measured = f"{times:.2f} F"
            yield Row(f"warm `{name}` {title}", measured, f"{limit} F", times <= limit, "1.00 F", times)


def cold(home: Home, aws: Aws, keys: Keys, rounds: int) -> Iterator[Row]:
    """Nothing cached: with a worker that lives, and with nothing running at all."""
    command = program("shellvault", "env", "work", "--shell", "bash", environment=home.environment)
    call_sts = sts_call(aws, keys)

    def after(forget: Callable[[], object]) -> Case:
        def run() -> float:
            forget()
            return command()

        return run

    def forget() -> None:
        """Leaves an agent without sessions, and the worker that it keeps ready."""
        client.forget(home.environment)
        deadline = time.monotonic() + 10
        while not (client.status(home.environment) or {}).get("worker_ready"):
            if time.monotonic() > deadline:
                raise TimeoutError("no worker gets ready")
            time.sleep(0.02)

    cases = {"F": bare(home), "STS": call_sts, "worker": after(forget)}
    taken = interleaved(cases, rounds)
    over = difference(difference_of(taken["worker"], taken["F"]), taken["STS"]) * MS
    yield Row("cold, with a live worker", f"F + STS + {over:.0f} ms", "F + STS + 40 ms", over <= 40)
    stopped = interleaved(
        {"STS": call_sts, "nothing": after(lambda: client.stop(home.environment))}, max(rounds // 4, 3)
    )
    over = difference(stopped["nothing"], stopped["STS"]) * MS
    yield Row("cold, with nothing running", f"STS + {over:.0f} ms", "STS + 1000 ms", over <= 1000)
    yield Row("the STS round trip, for scale", f"{statistics.median(taken['STS']) * MS:.1f} ms", "", True)


def sts_call(aws: Aws, keys: Keys) -> Case:
    """One round trip to STS."""
    sts = aws.client("sts", keys)

    def run() -> float:
        started = time.perf_counter()
        sts.get_session_token()
        return time.perf_counter() - started

    return run


def difference_of(taken: list[float], base: list[float]) -> list[float]:
    """Round by round, what one case takes longer than another."""
    return [one - other for one, other in zip(taken, base, strict=True)]


#: The program whose start takes F.
BARE = (sys.executable, "-I", "-S", "-c", "pass")


def bare(home: Home) -> Case:
    """F."""
    return program(*BARE, environment=home.environment)


def crowd(home: Home, aws: Aws) -> Iterator[Row]:
    """Commands started together on an empty cache; the MFA codes come from a program that counts."""
    client.forget(home.environment)
    with fronting(aws) as front:
        command = ("shellvault", "export", "guarded", "--format", "json")
        started = time.perf_counter()
        running = [home.start(*command, AWS_ENDPOINT_URL_STS=front.endpoint) for _ in range(CROWD)]
        outputs = {process.communicate(timeout=120)[0] for process in running}
        taken = time.perf_counter() - started
        succeeded = sum(process.returncode == 0 for process in running)
        calls = len(front.calls)
    asked = len((home.path.parent / "asked").read_text().splitlines())
    right = (calls, asked, succeeded, len(outputs)) == (1, 1, CROWD, 1)
    measured = f"{calls} STS call, {asked} code, {succeeded} succeed in {taken:.1f} s"
    yield Row(f"{CROWD} commands at once", measured, f"1 STS call, 1 code, {CROWD} succeed", right)


def memory(home: Home) -> Iterator[Row]:
    """What the agent's process occupies with so many sessions."""
    client.stop(home.environment)
    home.succeed("env", "work", "--shell", "bash")
    status = client.status(home.environment)
    if status is None:
        raise RuntimeError("the agent does not run")

    def get(number: int) -> str:
        key = request.encode("work", {"region": f"xx-bench-{number}"}, home.environment, str(home.path))
        return connection.ask(home.environment, "get", "env.bash", None, key, 60.0)[0]

    held = 1
    for wanted in SESSIONS:
        with ThreadPoolExecutor(8) as pool:
            replies = list(pool.map(get, range(held, wanted)))
        if set(replies) - {"ok"}:
            raise RuntimeError(f"the agent answered {set(replies)}")
        held = wanted
        occupied = resident(status["pid"]) / MIB
        title = f"agent memory with {wanted:,} session{'s' if wanted > 1 else ''}"
        yield Row(title, f"{occupied:.1f} MiB", "20 MiB", occupied <= 20, figure=occupied)


def resident(pid: int) -> int:
    """Bytes of memory that a process occupies (VmRSS of proc_pid_status(5))."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no VmRSS")


def in_shells(home: Home, rounds: int) -> Iterator[Row]:
    """Prompts, start-up and TAB in each shell that this machine has."""
    home.succeed("env", "work", "--shell", "bash")
    f = statistics.median(interleaved({"F": bare(home)}, rounds)["F"]) * MS
    for shell in bench_shells.available():
        taken = bench_shells.prompt(home, shell, turns=PROMPTS, rounds=rounds) * MS
        limit = 0.4 if shell == "fish" else 0.05
        title = f"{shell}: prompt, nothing due"
        yield Row(title, f"{taken:.3f} ms", f"{limit} ms", taken <= limit, figure=taken / f)
        yield refresh(home, shell, rounds)
        for peer in bench_shells.PEERS:
            other = bench_shells.peer_prompt(home, shell, peer, turns=PROCESSES, rounds=rounds)
            if other is not None:
                yield Row(f"{shell}: prompt of {peer}, for scale", f"{other * MS:.2f} ms", "", True)
        yield from start_up(home, shell, rounds)
        pressed = bench_shells.tab(home, shell, turns=TABS, rounds=rounds) * MS
        title = f"{shell}: TAB, 1,000 profiles"
        yield Row(title, f"{pressed:.1f} ms", "10 ms", pressed <= 10, figure=pressed / f)


def refresh(home: Home, shell: str, rounds: int) -> Row:
    """The prompt at which new keys are taken from the agent."""
    title = f"{shell}: prompt, refresh due"
    runs_a_process = shell in ("bash", "fish")
    turns = PROCESSES if runs_a_process else REFRESHES
    taken, floor, f_seconds = bench_shells.refresh(home, shell, BARE, bare(home), turns=turns, rounds=rounds)
    # With a process: what the fast lane may take beyond a bare interpreter (as through the function: 0.25 F), and 0.2 F
    # for the shell to set all variables. Without one: that alone, and the look at the socket's folder.
    allowance = 0.45 if runs_a_process else 0.12
    within, f = taken <= floor + allowance, f_seconds * MS
    if runs_a_process:
        budget = f"floor + {allowance} F = {floor + allowance:.2f} F"
        return Row(title, f"{taken:.2f} F", budget, within, f"{floor:.2f} F", taken)
    budget = f"floor + {allowance} F = {(floor + allowance) * f:.2f} ms"
    return Row(title, f"{taken * f:.2f} ms", budget, within, f"{floor * f:.2f} ms", taken)


def start_up(home: Home, shell: str, rounds: int) -> Iterator[Row]:
    """What shellvault adds to a new shell."""
    taken = bench_shells.start_up(home, shell, bare(home), rounds=rounds)
    f = taken.base * MS
    # What .NET compiles of ours before the first prompt is its own affair: so much on top of the least text.
    allowance = 5 * f if shell == "powershell" else 3
    stated = "5 F" if shell == "powershell" else "3 ms"
    for title, measured, least, command in (
        ("the line of `init --install`", taken.installed * MS, taken.least_installed * MS, 0.0),
        ("evaluating `init`", taken.evaluated * MS, taken.least_evaluated * MS, 1.7),
    ):
        allowed = least + command * f + allowance
        parts = (["floor"] if least else []) + ([f"{command} F"] if command else []) + [stated]
        budget = " + ".join(parts) + (f" = {allowed:.1f} ms" if len(parts) > 1 else "")
        floor = f"{least:.1f} ms" if least else ""
        what = f"{shell}: start-up, {title}"
        yield Row(what, f"{measured:.1f} ms", budget, measured <= allowed, floor, measured / f)


def main() -> int:
    """Measures, writes, prints; the exit status is 1 when a budget is exceeded."""
    parser = argparse.ArgumentParser(description="Measure the budgets and write docs/benchmarks.md.")
    parser.add_argument("--rounds", type=int, default=40, help="rounds of each comparison (default: 40)")
    parser.add_argument("--quick", action="store_true", help="3 rounds, to see that it runs; writes nothing")
    parser.add_argument(
        "--record", action="store_true", help="record these as what later ones are compared with"
    )
    given = parser.parse_args()
    rounds = 3 if given.quick else given.rounds
    rows = []
    with scene() as (home, installation, aws, keys):
        for section in (
            warm(home, installation, rounds),
            bench_callers.rows(home, rounds),
            cold(home, aws, keys, rounds),
            crowd(home, aws),
            bench_day.starts(home, keys, sts_call(aws, keys), rounds),
            bench_day.colds(home, keys, sts_call(aws, keys), rounds),
            bench_day.lists(home, rounds),
            bench_day.commands(home, bare(home), rounds),
            bench_day.kept_in_memory(home),
            bench_unusual.rows(home, bare(home), rounds),
            bench_growth.rows(home, bare(home), rounds),
            bench_peers.rows(home, keys, bare(home), rounds),
            in_shells(home, max(rounds // 4, 3)),
            memory(home),
        ):
            for row in section:
                bench_report.show(row)
                rows.append(row)
        imports = "" if given.quick else bench_profiles.table(home, installation)
    for line in bench_report.slower(rows):
        print(f"slower by more than a third: {line}")
    if not given.quick:
        bench_report.record(rows, again=given.record)
        bench_report.write(rows, rounds, imports)
    return 0 if all(row.within for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
