"""What a person is asked, on the terminal itself, in a real shell."""

import re

import pytest

from tests.end_to_end.conftest import Person
from tests.support.emulator import Aws
from tests.support.home import PASSPHRASE, Home
from tests.support.sts_front import StsFront
from tests.support.terminal import PLAIN, USUAL, Terminal, terminal

pytestmark = pytest.mark.real


def answer(asked: Terminal, question: str, reply: str) -> None:
    """Waits for the question and types the reply."""
    asked.wait_for(re.escape(question))
    asked.type(reply)


@pytest.fixture
def pair(home: Home) -> tuple[str, str]:
    """Keys as AWS shapes them, for a home in which nothing is asked but them."""
    home.write_config("[default]\nregion = eu-central-1\n[profile work]\nmfa_serial = 123456789\n")
    return "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


def test_add_asks_for_what_it_needs_and_names_the_next_step(home: Home, pair: tuple[str, str]) -> None:
    home.config_file.unlink()
    serial = "arn:aws:iam::000000000000:mfa/asked"
    with terminal(home, "bash", PLAIN["bash"], USUAL) as shell:
        shell.clear()
        shell.type("shellvault add --no-check work")
        answer(shell, "Enter Access Key Id: ", pair[0][:-1])
        answer(shell, "Enter Access Key Id: ", pair[0])
        answer(shell, "Enter Secret Key: ", pair[1])
        answer(shell, "(blank: none): ", serial)
        answer(shell, "(blank: none): ", "Frankfurt")
        answer(shell, "(blank: none): ", "eu-central-1")
        shown = shell.picture_at_prompt()
    asked, _, told = shown.partition("shellvault: ")
    assert (
        asked
        == f"""\
$ shellvault add --no-check work
Type or paste both (two lines, or the console's CSV file): nothing is shown.
Enter Access Key Id:
an id that starts with AKIA has 20 characters, this one 19.
Enter Access Key Id: {pair[0]}
Enter Secret Key:
What you type is not shown until you press Enter.
Enter MFA device ARN (blank: none): {serial}
Enter region, such as eu-central-1 (blank: none):
that is no region: give its name, such as eu-central-1.
Enter region, such as eu-central-1 (blank: none): eu-central-1
"""
    )
    assert told.endswith('shellvault: next: `eval "$(shellvault env work)"`\n')
    assert pair[1] not in shell.screen
    assert home.config_file.read_text() == f"[profile work]\nmfa_serial = {serial}\nregion = eu-central-1\n"
    assert home.succeed("list", "--credentials") == "work\n"


@pytest.mark.parametrize(
    "pasted",
    [
        "{0}\n{1}\n",
        "Access key ID,Secret access key\n{0},{1}\n",
        "[default]\naws_access_key_id = {0}\naws_secret_access_key = {1}\n\noutput = json\n",
    ],
    ids=["two lines", "CSV", "credentials file"],
)
def test_a_paste_of_both_is_taken_and_never_shown(home: Home, pair: tuple[str, str], pasted: str) -> None:
    with terminal(home, "bash") as shell:
        shell.type("shellvault add --no-check work")
        shell.wait_for("Enter Access Key Id: ")
        shell.press(pasted.format(*pair))
        printed = shell.finish()
        assert pair[1][:12] not in shell.screen
        assert 'next: `eval "$(shellvault env work)"`' in printed
        shell.type(
            "shellvault exec --no-session work -- printenv AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY >keys"
        )
        shell.finish()
    assert (home.path / "keys").read_text().split() == list(pair)


def test_add_finds_a_typo_and_asks_again(home: Home, aws: Aws, front: StsFront) -> None:
    keys = aws.user("typo")
    home.write_config("[default]\nregion = eu-central-1\n[profile work]\nmfa_serial = 123456789\n")
    home.environment["AWS_ENDPOINT_URL_STS"] = front.endpoint
    wrong = keys.secret_access_key[:-1] + ("a" if keys.secret_access_key[-1] != "a" else "b")
    with terminal(home, "bash") as shell:
        shell.type("shellvault add work")
        shell.wait_for("Enter Access Key Id: ")
        shell.press(f"{keys.access_key_id}\n{wrong}\n")
        shell.wait_for("nothing is stored yet: give them again")
        assert home.succeed("list", "--credentials") == ""
        shell.wait_for("Enter Access Key Id: ")
        shell.press(f"{keys.access_key_id}\n{keys.secret_access_key}\n")
        assert "added the keys of work (arn:aws:iam::000000000000:user/typo) to the vault" in shell.finish()
    assert front.calls == ["GetCallerIdentity", "GetCallerIdentity"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://no-such.invalid"])
def test_add_without_a_network_says_so_and_what_to_do(home: Home, pair: tuple[str, str], url: str) -> None:
    given = {"AWS_ACCESS_KEY_ID": pair[0], "AWS_SECRET_ACCESS_KEY": pair[1], "AWS_ENDPOINT_URL_STS": url}
    done = home.run("shellvault", "add", "work", "--env", **given)
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr
    assert "nothing was stored (--no-check stores keys unproved)" in done.stderr
    assert home.succeed("list", "--credentials") == ""
    assert home.run("shellvault", "add", "work", "--env", "--no-check", **given).returncode == 0
    assert home.succeed("list", "--credentials") == "work\n"


def test_add_says_once_why_the_vault_is_a_file(home: Home, pair: tuple[str, str]) -> None:
    del home.environment["SHELLVAULT_BACKEND"]
    given = {"AWS_ACCESS_KEY_ID": pair[0], "AWS_SECRET_ACCESS_KEY": pair[1]}
    told = [
        home.run("shellvault", "add", name, "--env", "--no-check", **given).stderr
        for name in ("work", "home")
    ]
    assert ["no keyring can be used here" in each for each in told] == [True, False]


def test_a_secret_of_another_length_is_asked_again(home: Home, pair: tuple[str, str]) -> None:
    with terminal(home, "bash") as shell:
        shell.type("shellvault add --no-check work")
        shell.wait_for("Enter Access Key Id: ")
        shell.press(f"{pair[0]}\n{pair[1][:-1]}\n")
        answer(shell, "The secret has 39 characters, one of AWS has 40", "n")
        shell.wait_for("Enter Access Key Id: ")
        shell.press(f"{pair[0]}\n{pair[1]}\n")
        assert "added the keys of work" in shell.finish()


def test_a_new_encrypted_file_asks_for_its_passphrase_twice(home: Home, aws: Aws) -> None:
    del home.environment["SHELLVAULT_FILE_PASSPHRASE"]
    keys = aws.user("twice")
    home.environment.update(
        AWS_ACCESS_KEY_ID=keys.access_key_id, AWS_SECRET_ACCESS_KEY=keys.secret_access_key
    )
    with terminal(home, "bash") as shell:
        shell.type("shellvault add work --env --no-add-config --no-check")
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
        shell.type("shellvault add work --no-add-config --no-check")
        answer(shell, "Enter Access Key Id: ", "AKIAIOSFODNN7EXAMPLE")
        shell.wait_for("Enter Secret Key: ")
        shell.press("\x03")
        shell.finish()
        assert re.search(r"(?<!-)\becho\b", shell.printed("stty -a"))
