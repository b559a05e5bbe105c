"""What is not the usual way to a session: an endpoint, a narrowed session, and the list to choose from."""

import fcntl
import os
import pty
import select
import signal
import statistics
import subprocess
import termios
import time
from collections.abc import Iterator

from scripts.bench_report import Row
from scripts.measuring import Case, interleaved, program, ratio
from tests.support.home import Home

MS = 1000

#: Profiles to choose from, the milliseconds to the first screen of the list, and the seconds that it is waited for.
CHOICES, SCREEN, PATIENCE = 3000, 300, 10.0

COMMANDS = {
    "exec --read-only": ("exec", "--read-only", "reader", "--", "/bin/true"),
    "exec --server": ("exec", "--server", "work", "--", "/bin/true"),
}


def rows(home: Home, bare: Case, rounds: int) -> Iterator[Row]:
    """Warm commands, and the list."""
    cases = {"F": bare, "true": program("/bin/true", environment=home.environment)}
    for name, words in COMMANDS.items():
        home.succeed(*words)
        cases[name] = program("shellvault", *words, environment=home.environment)
    taken = interleaved(cases, max(rounds // 2, 3))
    for name in COMMANDS:
        own = [one - other for one, other in zip(taken[name], taken["true"], strict=True)]
        times = ratio(own, taken["F"])
        yield Row(f"warm `{name}`", f"{times:.2f} F", "2 F", times <= 2, "1.00 F", times)
    config = home.path / "config-choices"
    head = home.config_file.read_text().partition("[profile work]")[0]
    config.write_text(head + "".join(f"[profile choice-{n:04}]\n" for n in range(CHOICES)))
    environment = home.environment | {"AWS_CONFIG_FILE": str(config)}
    shown = interleaved({"list": lambda: _first_screen(environment)}, max(rounds // 4, 3))["list"]
    measured = statistics.median(shown) * MS
    title = f"`use`: the list of {CHOICES:,} profiles, first screen"
    yield Row(title, f"{measured:.0f} ms", f"{SCREEN} ms", measured <= SCREEN)


def _first_screen(environment: dict[str, str]) -> float:
    """Seconds until the list stands on a terminal. Raises TimeoutError."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 80))
    started = time.perf_counter()
    process = subprocess.Popen(
        ["shellvault", "env", "--shell", "bash"],
        env=environment,
        stdin=slave,
        stdout=subprocess.DEVNULL,
        stderr=slave,
        start_new_session=True,
        preexec_fn=_take_terminal,
    )
    os.close(slave)
    try:
        screen = b""
        while b"choice-" not in screen:
            if not select.select([master], [], [], PATIENCE)[0]:
                raise TimeoutError(f"no list is shown: {screen[-200:]!r}")
            part = os.read(master, 65536)
            screen += part
            if b"\x1b[6n" in part:
                # fzf asks where the cursor is (DSR), and waits for the answer.
                os.write(master, b"\x1b[1;1R")
        return time.perf_counter() - started
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(master)


def _take_terminal() -> None:
    """Makes stdin the controlling terminal of the new session (tty_ioctl(4))."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
