"""Who gets long-term keys out of a vault that the agent keeps unlocked."""

import json
import re
import socket
from typing import Any

import pytest

from shellvault import __version__, locations
from shellvault.client import agent as client
from shellvault.fastlane import request
from shellvault.variables import for_agent
from tests.end_to_end.conftest import Person, settle, unlocked
from tests.real_keyring import PrivateKeyring
from tests.support.emulator import Aws
from tests.support.home import PASSPHRASE, Home
from tests.support.sts_front import StsFront
from tests.support.terminal import terminal

pytestmark = pytest.mark.real

SHOW = ("exec", "-n", "work", "--", "printenv", "AWS_SECRET_ACCESS_KEY")


@pytest.fixture
def person(home: Home, aws: Aws, front: StsFront) -> Person:
    """A person whose encrypted file the agent keeps unlocked."""
    return unlocked(home, aws, front)


def ask_agent(person: Person, answers: list[str], **environment: str) -> tuple[bytes, list[dict[str, Any]]]:
    """What the agent says to a program that speaks its language and answers its questions with these."""
    own = for_agent(person.home.environment | environment)
    line = request.encode("work", {"no-session": "1"}, own, "/")
    asked = {
        "do": "session",
        "version": __version__,
        "request": line,
        "form": "exec",
        "pid": None,
        "fresh": False,
        "mfa_token": None,
        "environment": own,
        "directory": "/",
    }
    heard, questions = b"", []
    with socket.socket(socket.AF_UNIX) as connection, connection.makefile("rb") as replies:
        connection.settimeout(30)
        connection.connect(str(locations.socket_path(person.home.environment)))
        connection.sendall(json.dumps(asked).encode() + b"\n")
        for reply in replies:
            heard += reply
            message = json.loads(reply)
            if "ask" in message:
                questions.append(message["ask"])
                answer = answers.pop(0) if answers else None
                connection.sendall(json.dumps({"answer": answer}).encode() + b"\n")
    return heard, questions


def test_a_program_without_the_passphrase_gets_no_keys(person: Person) -> None:
    assert person.home.succeed("exec", "work", "--", "printenv", "AWS_VAULT") == "work\n"
    for answers in ([], ["y"], ["yes", "", "wrong"]):
        heard, questions = ask_agent(person, answers, SHELLVAULT_CONFIRM="never")
        assert questions[0]["kind"] == "passphrase"
        assert person.keys.secret_access_key.encode() not in heard
        assert b"error" in heard


def test_the_passphrase_opens_them(person: Person) -> None:
    heard, questions = ask_agent(person, [PASSPHRASE])
    assert person.keys.secret_access_key.encode() in heard
    assert len(questions) == 1


def test_a_person_is_asked_on_the_terminal_alone(person: Person) -> None:
    assert "passphrase" in person.home.fail(*SHOW)
    with terminal(person.home, "bash") as shell:
        shell.type("shellvault " + " ".join(SHOW))
        shell.wait_for(re.escape("long-term keys are handed out; Enter passphrase"))
        shell.type(PASSPHRASE)
        shell.finish()
        assert person.keys.secret_access_key in shell.screen


def test_sessions_and_roles_take_no_confirmation(person: Person) -> None:
    assert person.home.succeed("exec", "work", "--", "printenv", "AWS_VAULT") == "work\n"
    person.configure(f"[profile admin]\nsource_profile = work\nrole_arn = {person.role('admin')}")
    assert person.home.succeed("exec", "-n", "admin", "--", "printenv", "AWS_VAULT") == "admin\n"


@pytest.mark.parametrize("said", ["variable", "settings"])
def test_confirm_never_is_decided_when_the_vault_is_unlocked(person: Person, said: str) -> None:
    person.home.succeed("agent", "lock")
    if said == "variable":
        person.home.environment["SHELLVAULT_CONFIRM"] = "never"
    else:
        settings = locations.config_file(person.home.environment)
        settings.parent.mkdir(parents=True)
        settings.write_text('confirm = "never"\n')
    unlocked = person.home.run(
        "shellvault", "exec", "work", "--", "true", SHELLVAULT_FILE_PASSPHRASE=PASSPHRASE
    )
    assert unlocked.returncode == 0, unlocked.stderr
    assert person.home.succeed(*SHOW) == f"{person.keys.secret_access_key}\n"
    # A stricter wish is heard at any time.
    asked = person.home.run("shellvault", *SHOW, SHELLVAULT_CONFIRM="keys")
    assert (asked.returncode, asked.stdout) == (1, "")


def test_confirm_always_keeps_nothing_unlocked(person: Person) -> None:
    person.home.succeed("agent", "lock")
    person.home.environment["SHELLVAULT_CONFIRM"] = "always"
    first = person.home.run("shellvault", "exec", "work", "--", "true", SHELLVAULT_FILE_PASSPHRASE=PASSPHRASE)
    assert first.returncode == 0, first.stderr
    status = client.status(person.home.environment)
    assert status is not None and status["unlocked"] == {}
    assert "passphrase" in person.home.shellvault("list").stderr


def test_a_keyring_asks_for_a_plain_yes_where_that_is_wished_for(
    home: Home, aws: Aws, front: StsFront, keyring: PrivateKeyring
) -> None:
    del home.environment["SHELLVAULT_BACKEND"], home.environment["SHELLVAULT_FILE_PASSPHRASE"]
    del home.environment["SHELLVAULT_NO_AGENT"]
    home.environment["DBUS_SESSION_BUS_ADDRESS"] = keyring.environment["DBUS_SESSION_BUS_ADDRESS"]
    person = settle(home, aws, front)
    assert home.succeed(*SHOW) == f"{person.keys.secret_access_key}\n"
    home.environment["SHELLVAULT_CONFIRM"] = "keys"
    with terminal(home, "bash") as shell:
        for answer, is_given in (("", False), ("y", True)):
            shell.type("shellvault " + " ".join(SHOW))
            shell.wait_for(re.escape("Hand out the long-term keys of work? (y|N) "))
            shell.type(answer)
            shell.finish()
            assert (person.keys.secret_access_key in shell.screen) == is_given
            shell.clear()


#: What asks before it replaces or removes stored keys, and its one question.
ASKING_COMMANDS = {
    "add": ("add --no-check --no-add-config work", r"Replace the stored keys of work\? \(y\|N\) "),
    "remove": ("remove work", r"Remove the long-term keys of work\? \(y\|N\) "),
    "import": ("import --all --no-check --keep", r"replace it by \S+\? \(y\|N\) "),
}


def _key_id_of_work(home: Home) -> str | None:
    if "work" not in home.succeed("list", "--credentials").split():
        return None
    shown = home.run(
        "shellvault", "exec", "-n", "work", "--", "printenv", "AWS_ACCESS_KEY_ID", SHELLVAULT_CONFIRM="never"
    )
    return shown.stdout.strip()


@pytest.mark.parametrize("sessions", [None, "file"])
@pytest.mark.parametrize("command", ASKING_COMMANDS)
def test_a_command_that_asks_is_confirmed_by_its_own_question(
    keyring_person: Person, command: str, sessions: str | None
) -> None:
    """Without the agent, and with its worker, which then has the vault open."""
    home = keyring_person.home
    home.environment["SHELLVAULT_CONFIRM"] = "keys"
    if sessions:
        del home.environment["SHELLVAULT_NO_AGENT"]
        kept = {"SHELLVAULT_SESSION_BACKEND": sessions, "SHELLVAULT_FILE_PASSPHRASE": PASSPHRASE}
        home.environment.update(kept)
    other, secret = "AKIAOTHERKEYID000000", "0aB1cD2eF3gH4iJ5kL" * 2 + "6mN7"
    credentials = home.path / ".aws" / "credentials"
    credentials.write_text(f"[work]\naws_access_key_id = {other}\naws_secret_access_key = {secret}\n")
    words, question = ASKING_COMMANDS[command]
    old = keyring_person.keys.access_key_id
    with terminal(home, "bash") as shell:
        for count, answer, left in ((1, "n", old), (2, "y", None if command == "remove" else other)):
            shell.type(f"shellvault {words}")
            shell.wait_for(question)
            shell.type(answer)
            if command == "add" and answer == "y":
                shell.wait_for("Enter Access Key Id: ")
                shell.type(other)
                shell.wait_for("Enter Secret Key: ")
                shell.type(secret)
            shell.finish()
            assert shell.screen.count("(y|N)") == count, shell.screen
            assert _key_id_of_work(home) == left


def test_a_policy_that_is_none_is_an_error(person: Person) -> None:
    person.home.environment["SHELLVAULT_CONFIRM"] = "sometimes"
    assert "never, keys, always" in person.home.fail(*SHOW)
