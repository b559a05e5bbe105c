"""No other process of the user can look into one that holds secrets, and no prompt leaves the terminal silent."""

import json
import os
import re
import shlex
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.end_to_end.conftest import Person, settle
from tests.support.clients import need
from tests.support.emulator import Aws
from tests.support.home import PASSPHRASE, Home
from tests.support.sts_front import StsFront
from tests.support.terminal import Terminal, terminal

pytestmark = pytest.mark.real

#: Root may look into everything: without its capabilities it is a user like others.
AS_USER = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.getuid() == 0 else ()


def can_look_into(pid: int) -> bool:
    """Whether another process of the same user may read the memory (ptrace(2) asks the same question)."""
    need("setpriv")
    found = subprocess.run([*AS_USER, "cat", f"/proc/{pid}/environ"], capture_output=True)
    return found.returncode == 0


def shellvault_below(shell: Terminal) -> int:
    """The `shellvault` process that a shell runs."""
    deadline = time.monotonic() + 20
    while True:
        for child in shell.children():
            if any("shellvault" in word for word in child.cmdline()):
                return int(child.pid)
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("command", "question"),
    [
        ("exec --no-agent work -- sleep 60", "passphrase"),
        ("add other", "Enter Access Key Id: "),
        ("list", "passphrase"),
    ],
)
def test_a_command_that_asks_for_a_secret_cannot_be_looked_into(
    home: Home, aws: Aws, front: StsFront, command: str, question: str
) -> None:
    settle(home, aws, front)
    if question == "passphrase":
        del home.environment["SHELLVAULT_FILE_PASSPHRASE"]
    with terminal(home, "bash") as shell:
        shell.run(shlex.join([*AS_USER, "sleep", "30"]) + " &")
        shell.type(shlex.join(AS_USER) + f" shellvault {command}")
        shell.wait_for(re.escape(question))
        asking = shellvault_below(shell)
        assert not can_look_into(asking)
        [other] = [child for child in shell.children() if child.name() == "sleep"]
        assert can_look_into(other.pid), "what is not protected can be looked into"
        if "exec" in command:
            # The program that it becomes is the user's own again.
            shell.type(PASSPHRASE)
            deadline = time.monotonic() + 20
            while psutil.Process(asking).name() != "sleep":
                assert time.monotonic() < deadline
                time.sleep(0.02)
            assert can_look_into(asking)


def test_neither_agent_nor_worker_can_be_looked_into(home: Home, aws: Aws, front: StsFront) -> None:
    del home.environment["SHELLVAULT_NO_AGENT"]
    person: Person = settle(home, aws, front)
    person.home.succeed("agent", "lock")

    def as_user(*words: str) -> str:
        done = person.home.run(*AS_USER, "shellvault", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    as_user("agent", "stop")
    as_user("exec", "work", "--", "true")
    deadline = time.monotonic() + 20
    status: dict[str, Any] = {}
    while not status.get("worker_ready") or len(status["workers"]) > 1:
        status = json.loads(as_user("agent", "status", "--json"))
        assert time.monotonic() < deadline
        time.sleep(0.05)
    for pid in (status["pid"], *status["workers"]):
        assert not can_look_into(pid)
        limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
        assert next(line.split()[4:6] for line in limits if line.startswith("Max core")) == ["0", "0"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_at_a_hidden_prompt_gives_the_echo_back(home: Home, number: signal.Signals) -> None:
    with terminal(home, "bash") as shell:
        shell.type("shellvault add work --no-add-config --no-check")
        shell.wait_for("Enter Access Key Id: ")
        os.kill(shellvault_below(shell), number)
        shell.finish()
        assert re.search(r"(?<!-)\becho\b", shell.printed("stty -a"))
