"""Keys move from one vault to another, and are nowhere lost on the way."""

import os
import random
import signal
import subprocess
import time

import pytest

from shellvault.vault import StoredKeys, open_vault
from tests.real_keyring import PrivateKeyring
from tests.support.home import Home
from tests.vault.conftest import never_asked

pytestmark = pytest.mark.real

ROUNDS = int(os.environ.get("SHELLVAULT_KILL_ROUNDS", "4"))
NAMES = ("one", "two", "with space")


@pytest.fixture
def both(home: Home, keyring: PrivateKeyring) -> Home:
    """A home with keys in an encrypted file, and a keyring beside it."""
    address = keyring.environment["DBUS_SESSION_BUS_ADDRESS"]
    home.environment["DBUS_SESSION_BUS_ADDRESS"] = address
    home.environment.pop("SHELLVAULT_BACKEND", None)
    for name in NAMES:
        _add(home, "file", name, f"AKIA{len(name):016}")
    return home


def _add(home: Home, backend: str, name: str, key_id: str) -> None:
    added = home.run(
        "shellvault", "add", "--env", "--no-check", "--force", "--backend", backend, name,
        AWS_ACCESS_KEY_ID=key_id, AWS_SECRET_ACCESS_KEY=f"secret-of-{key_id}",
    )  # fmt: skip
    assert added.returncode == 0, added.stderr


def stored(home: Home, backend: str) -> list[str]:
    return sorted(home.succeed("list", "--credentials", "--backend", backend).splitlines())


MOVE = ("migrate-backend", "--from", "file", "--to", "secret-service")


def test_keys_are_copied_and_the_old_ones_stay_until_asked(both: Home) -> None:
    shown = both.shellvault(*MOVE, "--dry-run").stderr
    assert shown.count("would copy: ") == 3
    assert stored(both, "secret-service") == []
    assert both.shellvault(*MOVE, "--profile", "one").returncode == 0
    assert stored(both, "secret-service") == ["one"]
    done = both.shellvault(*MOVE, "--delete-source")
    assert "there already: one, deleted from file" in done.stderr
    assert stored(both, "secret-service") == sorted(NAMES)
    assert stored(both, "file") == []


def test_different_keys_of_a_name_stay_without_replace(both: Home) -> None:
    _add(both, "secret-service", "one", "AKIAOTHER0000000")
    done = both.shellvault(*MOVE, "--delete-source")
    assert done.returncode == 1
    assert "left alone: one" in done.stderr
    assert stored(both, "file") == ["one"]
    assert both.shellvault(*MOVE, "--delete-source", "--overwrite").returncode == 0
    assert stored(both, "file") == []


def test_what_is_wrong_on_the_command_line_is_said(both: Home) -> None:
    assert "the same vault" in both.fail("migrate-backend", "--from", "file", "--to", "file", status=2)
    assert "has no keys of nope" in both.fail(*MOVE, "--profile", "nope", status=2)


def test_killed_anywhere_the_next_run_completes(both: Home) -> None:
    chance, took = random.Random(6), 0.0
    before = pairs(both, "file")
    for number in range(ROUNDS):
        source, target = ("file", "secret-service")[:: -1 if number % 2 else 1]
        move = ("migrate-backend", "--from", source, "--to", target, "--delete-source")
        if took:
            running = both.start("shellvault", *move)
            time.sleep(chance.uniform(0.05, took))
            os.killpg(running.pid, signal.SIGKILL)
            running.communicate(timeout=30)
        assert pairs(both, source) | pairs(both, target) == before
        started = time.monotonic()
        done: subprocess.CompletedProcess[str] = both.shellvault(*move)
        if not took:
            took = time.monotonic() - started
        assert done.returncode == 0, done.stderr
        assert (pairs(both, source), pairs(both, target)) == ({}, before)


def pairs(home: Home, backend: str) -> dict[str, StoredKeys]:
    """The pairs in a vault."""
    vault = open_vault(backend, home.environment, never_asked)
    return {name: vault.load_keys(name) for name in vault.stored_keys()}
