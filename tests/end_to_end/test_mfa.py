"""MFA codes typed in a terminal, against an AWS that checks them and refuses their reuse."""

import re
from collections.abc import Iterator

import pytest

from tests.support.emulator import ACCOUNT, Aws
from tests.support.home import Home
from tests.support.mfa_front import MfaFront, fronting
from tests.support.terminal import ENTER, SHELLS, terminal

pytestmark = pytest.mark.real

SERIAL = f"arn:aws:iam::{ACCOUNT}:mfa/phone"
SHOW = {"powershell": "$env:AWS_VAULT"}


@pytest.fixture
def mfa(aws: Aws) -> Iterator[MfaFront]:
    """A front whose device shows a new code every 5 seconds."""
    with fronting(aws.endpoint) as front:
        front.step = 5
        front.device(SERIAL)
        yield front


@pytest.fixture
def guarded(home: Home, aws: Aws, mfa: MfaFront, request: pytest.FixtureRequest) -> Home:
    """A home whose profile `work` needs a code."""
    keys = aws.user(re.sub(r"\W", "-", request.node.name)[:60])
    home.write_config(f"[profile work]\nregion = eu-central-1\nmfa_serial = {SERIAL}\n")
    home.environment["AWS_ENDPOINT_URL_STS"] = mfa.endpoint
    names = {"AWS_ACCESS_KEY_ID": keys.access_key_id, "AWS_SECRET_ACCESS_KEY": keys.secret_access_key}
    assert (
        home.run(
            "env",
            *(f"{name}={value}" for name, value in names.items()),
            "shellvault",
            "add",
            "work",
            "--env",
            "--no-check",
        ).returncode
        == 0
    )
    return home


@pytest.mark.parametrize("shell", SHELLS)
def test_the_code_is_asked_on_the_terminal_of_the_open_shell(
    guarded: Home, mfa: MfaFront, shell: str
) -> None:
    with terminal(guarded, shell) as opened:
        opened.type(ENTER[shell])
        opened.wait_for(r"Enter MFA code for .*: ")
        opened.type(mfa.code(SERIAL))
        opened.finish()
        assert opened.printed(SHOW.get(shell, "echo $AWS_VAULT")) == "work"
    assert mfa.calls["GetSessionToken"] == 1


def test_a_wrong_code_is_asked_again(guarded: Home, mfa: MfaFront) -> None:
    with terminal(guarded, "bash") as opened:
        opened.type("shellvault exec work -- printenv AWS_VAULT")
        opened.wait_for(r"Enter MFA code for .*: ")
        opened.type(mfa.wrong_code(SERIAL))
        opened.wait_for(r"Enter MFA code for .*: ")
        opened.type(mfa.code(SERIAL))
        assert "work" in opened.finish()
    assert mfa.calls["GetSessionToken"] == 2


def test_the_next_command_needs_no_code(guarded: Home, mfa: MfaFront) -> None:
    code = mfa.code(SERIAL)
    guarded.succeed("exec", "work", "--mfa-token", code, "--", "true")
    guarded.succeed("exec", "work", "--", "true")
    assert mfa.calls["GetSessionToken"] == 1


def test_without_a_terminal_the_error_says_how_to_give_the_code(guarded: Home) -> None:
    message = guarded.fail("exec", "work", "--", "true")
    assert SERIAL in message
    assert "--mfa-token" in message
