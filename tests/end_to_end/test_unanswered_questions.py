"""A question that nobody answers in one terminal is said in the others, and can be answered there."""

import re
import uuid
from collections.abc import Iterator

import pytest

from tests.support.emulator import ACCOUNT, Aws
from tests.support.home import Home
from tests.support.mfa_front import MfaFront, fronting
from tests.support.terminal import terminal

pytestmark = pytest.mark.real

SERIAL = f"arn:aws:iam::{ACCOUNT}:mfa/phone"
SHOW = "shellvault exec work -- printenv AWS_VAULT"
PROMPT = r"Enter MFA code for .*: "
ASKED = rf"process (\d+) on pts/\d+ is asked for the MFA code of {re.escape(SERIAL)}: answer there, or press Enter"


@pytest.fixture
def mfa(aws: Aws) -> Iterator[MfaFront]:
    """A front that checks the codes of one device."""
    with fronting(aws.endpoint) as front:
        front.device(SERIAL)
        yield front


@pytest.fixture
def guarded(home: Home, aws: Aws, mfa: MfaFront) -> Home:
    """A home with an agent, whose profile `work` needs a code, and so does `other`, the same one."""
    del home.environment["SHELLVAULT_NO_AGENT"]
    keys = aws.user(f"unanswered-{uuid.uuid4().hex[:8]}")
    profile = f"region = eu-central-1\nmfa_serial = {SERIAL}\n"
    home.write_config(f"[profile work]\n{profile}[profile other]\nsource_profile = work\n{profile}")
    home.environment["AWS_ENDPOINT_URL_STS"] = mfa.endpoint
    names = {"AWS_ACCESS_KEY_ID": keys.access_key_id, "AWS_SECRET_ACCESS_KEY": keys.secret_access_key}
    added = home.run("shellvault", "add", "work", "--env", "--no-check", **names)
    assert added.returncode == 0, added.stderr
    return home


@pytest.mark.parametrize("second", [SHOW, 'eval "$(shellvault env work)"; echo $AWS_VAULT'])
def test_enter_takes_the_question_of_a_stopped_command(guarded: Home, mfa: MfaFront, second: str) -> None:
    with terminal(guarded, "bash") as first, terminal(guarded, "bash") as other:
        first.type(SHOW)
        first.wait_for(PROMPT)
        first.press("\x1a")
        first.wait_for("Stopped")
        other.type(second)
        other.wait_for(ASKED)
        other.press("\n")
        other.wait_for(PROMPT)
        other.type(mfa.code(SERIAL))
        assert "work" in other.finish()
        # The first one need not be answered any more.
        first.type("fg")
        assert "work" in first.finish()
    assert mfa.calls["GetSessionToken"] == 1


def test_a_code_on_the_command_line_takes_it_too(guarded: Home, mfa: MfaFront) -> None:
    with terminal(guarded, "bash") as first:
        first.type(SHOW)
        first.wait_for(PROMPT)
        done = guarded.shellvault("exec", "work", "-t", mfa.code(SERIAL), "--", "printenv", "AWS_VAULT")
        assert (done.returncode, done.stdout, done.stderr) == (0, "work\n", "")
        # Its prompt is over by itself.
        assert "work" in first.finish()
    assert mfa.calls["GetSessionToken"] == 1


def test_a_waiter_on_the_same_terminal_gets_no_notice(guarded: Home, mfa: MfaFront) -> None:
    (guarded.path / "two").write_text(f"({SHOW} 2>err-1) & ({SHOW} 2>err-2) & wait\n")
    with terminal(guarded, "bash") as shell:
        shell.type("bash two")
        shell.wait_for(PROMPT)
        shell.type(mfa.code(SERIAL))
        assert shell.finish().split().count("work") == 2
    assert (guarded.path / "err-1").read_text() + (guarded.path / "err-2").read_text() == ""


def test_a_command_of_another_desktop_may_take_it_too(guarded: Home, mfa: MfaFront) -> None:
    with terminal(guarded, "bash") as first, terminal(guarded, "bash") as other:
        first.type(SHOW)
        first.wait_for(PROMPT)
        # What its worker is started with: it gets one of its own.
        other.type("TZ=Asia/Tokyo shellvault export work --format json | grep -c SessionToken")
        other.wait_for(ASKED)
        other.press("\n")
        other.wait_for(PROMPT)
        other.type(mfa.code(SERIAL))
        assert "1" in other.finish()
        assert "work" in first.finish()
    assert mfa.calls["GetSessionToken"] == 1
