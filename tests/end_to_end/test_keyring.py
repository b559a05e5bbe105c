"""The main job with a real gnome-keyring, and what a keyring that does not answer costs."""

import json
import time
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Person, settle
from tests.real_keyring import PrivateKeyring
from tests.real_wallet import private_wallet
from tests.support.emulator import Aws
from tests.support.home import Home
from tests.support.sts_front import StsFront

pytestmark = pytest.mark.real

#: Seconds within which a command must have given up where nobody can answer: the deadline of 5, and a start.
PATIENCE = 12


def test_the_main_job_needs_no_passphrase(keyring_person: Person) -> None:
    home = keyring_person.home
    assert home.succeed("list", "--credentials").split() == ["work", "guarded"]
    inside = home.run("bash", "-c", 'eval "$(shellvault env work)"; printenv AWS_ACCESS_KEY_ID AWS_VAULT')
    key, profile = inside.stdout.split()
    assert (key[:4], profile) == ("ASIA", "work")
    assert home.succeed("exec", "guarded", "--", "printenv", "AWS_VAULT") == "guarded\n"
    home.succeed("remove", "--force", "work")
    assert home.succeed("list", "--credentials") == "guarded\n"


def test_kwallet_does_the_same(home: Home, aws: Aws, front: StsFront, tmp_path: Path) -> None:
    (tmp_path / "wallet").mkdir()
    with private_wallet(tmp_path / "wallet") as wallet:
        del home.environment["SHELLVAULT_BACKEND"], home.environment["SHELLVAULT_FILE_PASSPHRASE"]
        address = "DBUS_SESSION_BUS_ADDRESS"
        home.environment[address] = wallet.environment[address]
        settle(home, aws, front, by_command=True)
        [chosen] = [
            each for each in json.loads(home.succeed("list", "--backends", "--json")) if each["chosen"]
        ]
        assert chosen["name"] == "kwallet"
        for _ in range(2):
            assert home.succeed("exec", "guarded", "--", "printenv", "AWS_VAULT") == "guarded\n"
        assert front.calls == ["GetSessionToken"]
        wallet.lock()
        assert "the keyring (kwallet) is locked" in home.fail("exec", "--no-agent", "work", "--", "true")
        wallet.open()
        home.succeed("remove", "--force", "work")
        assert home.succeed("list", "--credentials") == "guarded\n"


def test_a_session_that_cost_a_code_is_kept_in_the_keyring(keyring_person: Person) -> None:
    keys = {
        keyring_person.home.succeed("exec", "guarded", "--", "printenv", "AWS_SECRET_ACCESS_KEY")
        for _ in range(2)
    }
    assert len(keys) == 1
    assert keyring_person.front.calls == ["GetSessionToken"]


def test_the_backend_that_is_used_is_named(keyring_person: Person) -> None:
    backends = json.loads(keyring_person.home.succeed("list", "--backends", "--json"))
    assert [backend["name"] for backend in backends if backend["chosen"]] == ["secret-service"]
    assert all(backend["reason"] for backend in backends)


def test_a_locked_keyring_is_one_line_within_the_deadline(
    keyring_person: Person, keyring: PrivateKeyring
) -> None:
    keyring.lock()
    started = time.monotonic()
    assert "lock" in keyring_person.home.fail("exec", "work", "--", "true")
    assert time.monotonic() - started < PATIENCE


def test_a_silent_keyring_is_one_line_within_the_deadline(
    keyring_person: Person, keyring: PrivateKeyring
) -> None:
    keyring.stop()
    started = time.monotonic()
    keyring_person.home.fail("exec", "work", "--", "true")
    assert time.monotonic() - started < PATIENCE
    keyring.go_on()
    keyring_person.home.succeed("exec", "work", "--", "true")


def test_twenty_commands_at_once_share_one_code(keyring_person: Person) -> None:
    keyring_person.front.delay = 0.5
    command = ("shellvault", "exec", "guarded", "--", "printenv", "AWS_ACCESS_KEY_ID")
    started = [keyring_person.home.start(*command) for _ in range(20)]
    results = [(*each.communicate(timeout=110), each.returncode) for each in started]
    assert [status for _, _, status in results] == [0] * 20, [error for _, error, _ in results]
    assert keyring_person.front.calls == ["GetSessionToken"]
