"""Hundreds of processes, days of renewals, and kills at any moment: one sign-in, one tab, and nothing half done."""

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pexpect
import psutil
import pytest

from tests.signin.conftest import visits
from tests.signin.terminal import run, start
from tests.support.home import Home
from tests.support.signin import SignInEmulator

pytestmark = pytest.mark.real

#: Rounds of kills: a few here; SHELLVAULT_KILL_ROUNDS=200 once in a while.
ROUNDS = int(os.environ.get("SHELLVAULT_KILL_ROUNDS", "4"))


@pytest.fixture
def person(at_home: Home) -> Home:
    """A person with an agent."""
    del at_home.environment["SHELLVAULT_NO_AGENT"]
    return at_home


def many(home: Home, count: int) -> str:
    """So many commands at once, all in the foreground of one terminal; what it showed."""
    script = home.path / "many"
    loop = f"for i in $(seq {count}); do shellvault exec admin -- true && echo served >>served & done; wait"
    script.write_text(f"#!/bin/sh\n{loop}\n")
    script.chmod(0o700)
    shell: pexpect.spawn[str] = pexpect.spawn(
        str(script),
        env=home.environment,
        cwd=str(home.path),
        encoding="utf-8",
        timeout=200,
        dimensions=(50, 400),
    )
    shell.expect(pexpect.EOF)
    shell.close()
    return str(shell.before)


def served(home: Home) -> int:
    return len((home.path / "served").read_text().splitlines())


@pytest.mark.timeout(300)
@pytest.mark.parametrize("count", [int(os.environ.get("SHELLVAULT_MANY", "25"))])
def test_many_processes_at_an_expired_sign_in_open_one_tab(
    person: Home, services: SignInEmulator, count: int
) -> None:
    shown = many(person, count)
    assert served(person) == count, shown[-3000:]
    assert len(visits(person)) == 1
    assert services.calls["POST /token"] == services.calls["POST /client/register"] == 1


@pytest.mark.timeout(300)
@pytest.mark.parametrize("count", [int(os.environ.get("SHELLVAULT_MANY", "25"))])
def test_many_processes_at_an_expired_token_renew_it_once(
    person: Home, services: SignInEmulator, count: int
) -> None:
    services.access_token_lifetime = services.role_lifetime = 3
    run(person, "signin", "admin")
    time.sleep(3)
    services.access_token_lifetime = services.role_lifetime = 3600
    services.delay["POST /token"] = 1
    many(person, count)
    assert served(person) == count
    assert len(visits(person)) == 1
    assert services.calls["POST /token"] == 2


def tokens(services: SignInEmulator) -> list[str]:
    """Everything secret that the services have given out."""
    found = [*services.oidc.tokens, *services.oidc.refresh_tokens, *services.login.refresh_tokens]
    return found + [client.secret for client in services.oidc.clients.values()]


def secrets_on_disk(home: Home, services: SignInEmulator) -> list[str]:
    """The files below the home that hold a secret in plain text."""
    secrets = [token.encode() for token in tokens(services)]
    found = []
    for path in home.path.rglob("*"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            found += [str(path) for secret in secrets if secret in content]
    return found


def test_no_secret_is_in_plain_text_or_on_a_command_line(person: Home, services: SignInEmulator) -> None:
    services.delay["POST /token"] = services.delay["POST /v1/token"] = 0.5
    lines = set()
    for profile in ("admin", "me"):
        child = start(person, "signin", profile, "--fresh")
        while child.isalive():
            for process in psutil.process_iter(["cmdline"]):
                lines.add(" ".join(process.info["cmdline"] or ()))
            if not child.isalive():
                break
            time.sleep(0.02)
        child.wait()
    assert len(tokens(services)) >= 4
    assert secrets_on_disk(person, services) == []
    words = "\n".join(lines)
    assert not [token for token in tokens(services) if token in words]
    assert "/authorize?" not in words


# Kills.


def processes_of(home: Home, kind: str) -> list[psutil.Process]:
    """The agent or the worker of this home."""
    runtime = home.environment["XDG_RUNTIME_DIR"]
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if any(word.startswith(runtime) for word in words):
            found += [process] if kind == "agent" else process.children()
    return found


@pytest.mark.timeout(60 + 12 * ROUNDS)
def test_a_kill_at_any_point_leaves_nothing_behind(person: Home, services: SignInEmulator) -> None:
    """kill -9 of the command, the agent or the worker, somewhere in a flow: the next command simply works."""
    chance = random.Random(int(os.environ.get("SHELLVAULT_SEED", "7")))
    killed: dict[str, int] = {}
    for number in range(ROUNDS):
        profile, path = chance.choice([("admin", "POST /token"), ("me", "POST /v1/token")])
        victim = chance.choice(["command", "agent", "worker"])
        services.delay[path] = chance.choice([0, 0.2])
        services.consenting = chance.choice(["allow", "nobody"])  # type: ignore[assignment]
        child = start(person, "signin", profile, "--fresh")
        time.sleep(chance.uniform(0.1, 1.6))
        targets = [psutil.Process(child.pid)] if victim == "command" else processes_of(person, victim)
        for process in targets:
            killed[victim] = killed.get(victim, 0) + 1
            try:
                os.kill(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if services.consenting == "nobody":
            child.kill(signal.SIGKILL)
        services.consenting = "allow"
        child.expect(pexpect.EOF, timeout=40)
        child.close(force=True)
        begun = time.monotonic()
        assert "ASIA" in run(person, "exec", profile, "--", "printenv", "AWS_ACCESS_KEY_ID"), number
        assert time.monotonic() - begun < 30, (number, victim)
        if number % 10 == 0:
            assert secrets_on_disk(person, services) == []
    locks = list(Path(person.path, ".local/state/shellvault").glob("session-*.lock"))
    assert not [lock for lock in locks if _is_held(lock)]
    assert sum(killed.values()) >= ROUNDS // 2
    print(json.dumps(killed))


def _is_held(lock: Path) -> bool:
    return subprocess.run(["flock", "-n", str(lock), "true"], check=False).returncode != 0
