"""The real agent and the real worker: a hundred commands at once, and processes killed at any moment."""

import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Iterator

import psutil
import pytest

from shellvault.client import agent as client
from tests.end_to_end.conftest import Person, settle
from tests.support.emulator import ACCOUNT, Aws
from tests.support.home import Home
from tests.support.mfa_front import MfaFront, fronting
from tests.support.sts_front import StsFront
from tests.support.terminal import terminal

pytestmark = pytest.mark.real

SERIAL = f"arn:aws:iam::{ACCOUNT}:mfa/phone"

#: A hundred commands are a hundred Python processes, which take 20 s on two cores.
AT_ONCE = int(os.environ.get("SHELLVAULT_COMMANDS_AT_ONCE", "100"))

#: Kill rounds; by hand 500.
ROUNDS = int(os.environ.get("SHELLVAULT_KILL_ROUNDS", "9"))

#: Seconds that a command may take whose agent or worker is killed, on a busy machine.
DEADLINE = 20.0


@pytest.fixture
def mfa(aws: Aws) -> Iterator[MfaFront]:
    """A front that checks the codes of one device."""
    with fronting(aws.endpoint) as front:
        front.device(SERIAL)
        front.delay = 0.5
        yield front


def test_a_hundred_commands_ask_for_one_code_and_make_one_call(home: Home, aws: Aws, mfa: MfaFront) -> None:
    del home.environment["SHELLVAULT_NO_AGENT"]
    keys = aws.user(f"crowd-{os.getpid()}")
    home.write_config(f"[profile work]\nregion = eu-central-1\nmfa_serial = {SERIAL}\n")
    home.environment["AWS_ENDPOINT_URL_STS"] = mfa.endpoint
    added = home.run(
        "shellvault",
        "add",
        "--env",
        "--no-check",
        "work",
        AWS_ACCESS_KEY_ID=keys.access_key_id,
        AWS_SECRET_ACCESS_KEY=keys.secret_access_key,
    )
    assert added.returncode == 0, added.stderr
    one = "shellvault exec work -- printenv AWS_ACCESS_KEY_ID"
    # In a script, since a shell with job control would let none of them read the terminal.
    (home.path / "crowd").write_text(
        f"for n in {{1..{AT_ONCE}}}; do ({one} >out-$n 2>err-$n; echo $? >end-$n) & done; wait\n"
    )
    with terminal(home, "bash") as opened:
        opened.type("bash crowd")
        opened.wait_for("Enter MFA code for .*: ", timeout=60)
        opened.type(mfa.code(SERIAL))
        printed = opened.finish(timeout=110)
    assert "Enter MFA code" not in printed
    ends = [(home.path / f"end-{n}").read_text() for n in range(1, AT_ONCE + 1)]
    assert ends == ["0\n"] * AT_ONCE, [(home.path / f"err-{n}").read_text() for n in range(1, AT_ONCE + 1)]
    assert len({(home.path / f"out-{n}").read_text() for n in range(1, AT_ONCE + 1)}) == 1
    assert mfa.calls == {"GetSessionToken": 1}


@pytest.fixture
def person(home: Home, aws: Aws, front: StsFront) -> Person:
    """A person whose commands use the agent."""
    del home.environment["SHELLVAULT_NO_AGENT"]
    return settle(home, aws, front)


def kill(pids: list[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def agent_and_workers(person: Person) -> tuple[list[int], list[int]]:
    """The process ids, found without the agent's help, since it may be dead or just coming."""
    runtime = person.home.environment["XDG_RUNTIME_DIR"]
    agents, workers = [], []
    for process in psutil.process_iter(["cmdline", "pid"]):
        if any(word.startswith(runtime) for word in process.info["cmdline"] or ()):
            agents.append(process.info["pid"])
            try:
                workers += [child.pid for child in process.children()]
            except psutil.NoSuchProcess:
                continue
    return agents, workers


@pytest.mark.timeout(7200)
def test_whatever_is_killed_nothing_hangs_and_nothing_is_lost(person: Person) -> None:
    chance = random.Random(ROUNDS)
    command = ("shellvault", "exec", "guarded", "--fresh", "--", "printenv", "AWS_ACCESS_KEY_ID")
    warm = ("shellvault", "exec", "work", "--", "printenv", "AWS_ACCESS_KEY_ID")
    for number in range(ROUNDS):
        start = time.monotonic()
        running = [person.home.start(*line) for line in (command, warm, warm)]
        time.sleep(chance.uniform(0, 1.5))
        victim = ("agent", "worker", "command")[number % 3]
        agents, workers = agent_and_workers(person)
        kill({"agent": agents, "worker": workers, "command": [running[0].pid]}[victim])
        for index, each in enumerate(running):
            printed, errors = each.communicate(timeout=DEADLINE)
            told = f"round {number}, {victim} killed: {errors}"
            if victim != "command" or index:
                assert each.returncode == 0, told
                assert re.fullmatch(r"ASIA\w+\n", printed), told
                assert errors.count("\n") <= 1, told
        assert time.monotonic() - start < DEADLINE
    # The keys are there, and so is every session that cost something; nothing is locked.
    last = time.monotonic()
    assert person.home.succeed("exec", "work", "--no-session", "--", "printenv", "AWS_ACCESS_KEY_ID") == (
        f"{person.keys.access_key_id}\n"
    )
    first = person.home.succeed(*command[1:3], "--", *command[5:])
    client.stop(person.home.environment)
    assert person.home.succeed(*command[1:3], "--", *command[5:]) == first
    assert time.monotonic() - last < DEADLINE
    assert subprocess.run(["shellvault", "list"], env=person.home.environment).returncode == 0


#: Interrupted commands; by hand 100.
INTERRUPTS = int(os.environ.get("SHELLVAULT_INTERRUPTS", "6"))


@pytest.mark.timeout(3600)
def test_an_interrupted_command_ends_at_once_without_loss(person: Person) -> None:
    chance = random.Random(INTERRUPTS)
    helper = person.home.path / "helper"
    helper.write_text("#!/bin/sh\nsleep 0.3\n" + f"echo $$ >> {person.home.path}/helpers\nsleep 60\n")
    helper.chmod(0o755)
    person.configure("[profile helped]\ncredential_process = ~/helper")
    keys = {
        "AWS_ACCESS_KEY_ID": person.keys.access_key_id,
        "AWS_SECRET_ACCESS_KEY": person.keys.secret_access_key,
    }
    commands = [
        ("shellvault", "exec", "guarded", "--fresh", "--", "sleep", "60"),
        ("shellvault", "exec", "helped", "--", "true"),
        ("shellvault", "env", "guarded", "--shell", "bash", "--fresh"),
        ("shellvault", "add", "another", "--env", "--no-check", "--no-add-config", "--force"),
        ("shellvault", "clear", "work"),
        ("shellvault", "list"),
    ]
    for number in range(INTERRUPTS):
        command = person.home.start(*commands[number % len(commands)], **keys)
        time.sleep(chance.uniform(0, 1.2))
        start = time.monotonic()
        # As Ctrl-C does: the command's whole process group.
        os.killpg(command.pid, signal.SIGINT)
        _, errors = command.communicate(timeout=DEADLINE)
        told = f"{number}, {command.args}: {command.returncode} {errors}"
        assert command.returncode in (0, 130, -signal.SIGINT), told
        assert "Traceback" not in errors, told
        assert time.monotonic() - start < DEADLINE
    stored = person.home.succeed("list", "--credentials").split()
    assert set(stored) >= {"work", "guarded"}
    assert person.home.succeed("exec", "work", "--", "printenv", "AWS_ACCESS_KEY_ID").startswith("ASIA")
    assert person.home.succeed(
        "exec", "guarded", "--fresh", "--", "printenv", "AWS_ACCESS_KEY_ID"
    ).startswith("ASIA")
    left = (
        (person.home.path / "helpers").read_text().split() if (person.home.path / "helpers").exists() else []
    )
    assert not [pid for pid in left if psutil.pid_exists(int(pid))]
