"""`unlock` asks once for all that follows, `lock` forgets it, and `unlock_ttl` says how long it lasts."""

import re
import time

import pytest

from shellvault.client import agent as client
from shellvault.vault.backends import file_path
from tests.end_to_end.conftest import Person, settle
from tests.real_keyring import PrivateKeyring
from tests.support.emulator import Aws
from tests.support.home import PASSPHRASE, Home
from tests.support.sts_front import StsFront
from tests.support.terminal import terminal

pytestmark = pytest.mark.real

SESSION = ("exec", "work", "--", "printenv", "AWS_VAULT")


@pytest.fixture
def person(home: Home, aws: Aws, front: StsFront) -> Person:
    """A person with an agent, whose encrypted file is locked."""
    found = settle(home, aws, front)
    del home.environment["SHELLVAULT_NO_AGENT"], home.environment["SHELLVAULT_FILE_PASSPHRASE"]
    return found


def left(person: Person) -> float:
    """The seconds that the vault stays unlocked."""
    found = client.status(person.home.environment)
    until = found["unlocked"].get(str(file_path(person.home.environment)), 0.0) if found else 0.0
    return float(max(0.0, until - time.time()))


def unlock(person: Person) -> str:
    """What `unlock` shows to a person who types the passphrase."""
    with terminal(person.home, "bash") as shell:
        shell.type("shellvault unlock")
        shell.wait_for("Enter passphrase")
        shell.type(PASSPHRASE)
        shell.finish()
        return str(shell.screen)


def test_one_question_serves_every_command_that_follows(person: Person) -> None:
    assert "passphrase" in person.home.fail(*SESSION)
    shown = unlock(person)
    assert "stays unlocked for another 7h59m" in " ".join(shown.split())
    assert PASSPHRASE not in shown
    assert person.home.succeed(*SESSION) == "work\n"
    assert person.home.succeed("list", "--credentials").split() == ["work", "guarded"]
    assert "unlocked for another" in person.home.succeed("agent", "status")
    # Without a terminal, since nobody has to be asked.
    assert "stays unlocked" in person.home.shellvault("unlock").stderr


@pytest.mark.parametrize("command", [("lock",), ("agent", "lock")])
def test_lock_forgets_the_sessions_and_what_unlocks(person: Person, command: tuple[str, ...]) -> None:
    unlock(person)
    person.home.succeed(*SESSION)
    assert person.home.shellvault(*command).stderr == "shellvault: the agent is locked\n"
    assert left(person) == 0
    assert "passphrase" in person.home.fail(*SESSION)
    person.home.succeed("agent", "stop")
    assert "nothing is unlocked" in person.home.shellvault(*command).stderr


def test_use_does_not_extend_the_unlocked_time(person: Person) -> None:
    person.home.write_settings('unlock_ttl = "30m"\n')
    unlock(person)
    first = left(person)
    assert 1700 < first <= 1800
    person.home.succeed(*SESSION)
    person.home.succeed("unlock")
    assert left(person) < first


def test_when_the_time_is_over_the_passphrase_is_asked_for_again(person: Person) -> None:
    person.home.environment["SHELLVAULT_UNLOCK_TTL"] = "4s"
    unlock(person)
    assert person.home.succeed("list", "--credentials")
    time.sleep(left(person) + 0.1)
    # What is known without the vault is listed all the same.
    listed = person.home.shellvault("list")
    assert (listed.returncode, "passphrase" in listed.stderr) == (1, True)


@pytest.mark.parametrize(
    ("text", "variables", "says"),
    [
        ('unlock_ttl = "soon"\n', {}, r"unlock_ttl: 'soon' is not a duration"),
        ("unlock_ttl = 5\n", {}, r"unlock_ttl must be text"),
        ("", {"SHELLVAULT_UNLOCK_TTL": "0"}, r"SHELLVAULT_UNLOCK_TTL: '0' is not a duration"),
        ("", {"SHELLVAULT_CONFIRM": "always"}, r"nothing is kept unlocked"),
        ("", {"SHELLVAULT_NO_AGENT": "1"}, r"leave SHELLVAULT_NO_AGENT out"),
        ("", {"SHELLVAULT_FILE_DIR": "/nonexistent"}, r"`shellvault add NAME` makes it"),
        ("", {}, r"passphrase"),
    ],
)
def test_what_cannot_be_unlocked_is_one_line_that_says_why(
    person: Person, text: str, variables: dict[str, str], says: str
) -> None:
    person.home.write_settings(text)
    person.home.environment.update(variables)
    result = person.home.shellvault("unlock")
    assert result.returncode in (1, 2), result.stderr
    assert re.search(says, result.stderr), result.stderr
    assert result.stderr.count("\n") == 1, result.stderr


def test_a_keyring_opens_itself_and_one_that_cannot_says_so(
    keyring_person: Person, keyring: PrivateKeyring
) -> None:
    assert "secret-service" in keyring_person.home.shellvault("unlock").stderr
    keyring.lock()
    assert "locked" in keyring_person.home.fail("unlock")


def test_a_changed_passphrase_is_forgotten_by_the_agent(person: Person) -> None:
    unlock(person)
    assert person.home.succeed(*SESSION) == "work\n"
    with terminal(person.home, "bash") as shell:
        shell.type("shellvault passphrase")
        shell.wait_for("to change it; Enter passphrase")
        shell.type(PASSPHRASE)
        shell.wait_for("Enter a new passphrase")
        shell.type("short")
        shell.wait_for("weak: it has 5 characters")
        shell.wait_for("the same again to keep it")
        shell.type("correct horse battery")
        shell.wait_for("Enter it again")
        shell.type("correct horse battery")
        assert "is changed" in shell.finish()
        assert "horse" not in shell.screen
    assert left(person) == 0
    assert "passphrase" in person.home.fail(*SESSION)
    person.home.environment["SHELLVAULT_FILE_PASSPHRASE"] = "correct horse battery"
    assert person.home.succeed(*SESSION) == "work\n"
    assert "a new passphrase for" in person.home.fail("passphrase")
