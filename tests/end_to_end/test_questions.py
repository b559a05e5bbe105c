"""What a person is asked, on the terminal itself, in a real shell."""

import re

import pytest

from tests.end_to_end.conftest import Person
from tests.support.emulator import Aws
from tests.support.home import PASSPHRASE, Home
from tests.support.terminal import Terminal, terminal

pytestmark = pytest.mark.real


def answer(asked: Terminal, question: str, reply: str) -> None:
    """Waits for the question and types the reply."""
    asked.wait_for(re.escape(question))
    asked.type(reply)


def test_add_asks_for_the_keys_and_shows_no_secret(home: Home, aws: Aws) -> None:
    keys = aws.user("asked")
    serial = "arn:aws:iam::000000000000:mfa/asked"
    with terminal(home, "bash") as shell:
        shell.type("shellvault add work")
        answer(shell, "Enter Access Key Id: ", keys.access_key_id)
        answer(shell, "Enter Secret Key: ", keys.secret_access_key)
        answer(shell, "Enter MFA device ARN (blank: none): ", serial)
        printed = shell.finish()
    assert keys.secret_access_key not in printed
    assert home.config_file.read_text() == f"[profile work]\nmfa_serial = {serial}\n"
    assert home.succeed("list", "--credentials") == "work\n"


def test_a_new_encrypted_file_asks_for_its_passphrase_twice(home: Home, aws: Aws) -> None:
    del home.environment["SHELLVAULT_FILE_PASSPHRASE"]
    keys = aws.user("twice")
    home.environment.update(
        AWS_ACCESS_KEY_ID=keys.access_key_id, AWS_SECRET_ACCESS_KEY=keys.secret_access_key
    )
    with terminal(home, "bash") as shell:
        shell.type("shellvault add work --env --no-add-config")
        answer(shell, "passphrase", PASSPHRASE)
        answer(shell, "again", PASSPHRASE)
        assert PASSPHRASE not in shell.finish()
        shell.type("shellvault list --credentials")
        answer(shell, "passphrase", PASSPHRASE)
        assert "work" in shell.finish()


def test_remove_asks_first(person: Person) -> None:
    with terminal(person.home, "bash") as shell:
        shell.type("shellvault remove work")
        answer(shell, "(y|N) ", "")
        shell.finish()
        assert person.home.succeed("list", "--credentials").split() == ["work", "guarded"]
        shell.type("shellvault remove work")
        answer(shell, "(y|N) ", "y")
        shell.finish()
    assert person.home.succeed("list", "--credentials") == "guarded\n"


def test_the_terminal_echoes_again_after_an_interrupted_question(home: Home) -> None:
    with terminal(home, "bash") as shell:
        shell.type("shellvault add work --no-add-config")
        answer(shell, "Enter Access Key Id: ", "AKIAIOSFODNN7EXAMPLE")
        shell.wait_for("Enter Secret Key: ")
        shell.press("\x03")
        shell.finish()
        assert re.search(r"(?<!-)\becho\b", shell.printed("stty -a"))
