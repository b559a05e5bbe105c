"""Where an MFA code comes from, and what happens when AWS does not take it."""

from pathlib import Path
from typing import Any

import pytest

from shellvault.errors import NeedsPersonError, SessionError
from shellvault.plan.steps import SessionToken, Step
from shellvault.sessions import mfa, processes
from shellvault.sessions.context import Context
from shellvault.sessions.model import Helper, HelperKind, Session
from shellvault.sessions.refusals import RefusedError, UnsentError
from tests.sessions.parts import Clock, Person, context, person, session

SERIAL = "arn:aws:iam::111111111111:mfa/work"
STEP = SessionToken("work", duration=900, mfa_serial=SERIAL)


class Aws:
    """A stand-in for AWS that takes only some codes."""

    def __init__(self, *good: str) -> None:
        self.good = good
        self.sent: list[str] = []

    def __call__(self, code: str) -> Session:
        self.sent.append(code)
        if code not in self.good:
            raise RefusedError("AWS did not accept the MFA code", "wrong-code")
        return session()


def _around(folder: Path, **others: Any) -> Context:
    clock = Clock()
    return context(folder, clock=clock, sleep=clock.sleep, **others)


def with_code(step: Step, person: Person, around: Context, use: Any) -> Session:
    """`mfa.with_code`, whose helper program runs in this process."""

    def run(kind: HelperKind, command: str) -> bytes:
        return processes.run_helper(Helper(kind, step.profile, command), around.environment, around.directory)

    return mfa.with_code(step, person, around, run, use)


def _printing(folder: Path, *codes: str) -> Step:
    """A step whose mfa_process prints one code after the other."""
    lines = folder / "codes"
    lines.write_text("".join(f"{code}\n" for code in codes))
    command = f"head -n1 {lines}; sed -i 1d {lines}"
    return SessionToken("work", duration=900, mfa_serial=SERIAL, mfa_process=command)


def test_the_person_is_asked_for_the_code_of_the_device(tmp_path: Path) -> None:
    someone, aws = person("123456"), Aws("123456")
    assert with_code(STEP, someone, _around(tmp_path), aws) == session()
    assert someone.asked[0].prompt == f"Enter MFA code for {SERIAL}: "
    assert (someone.asked[0].kind, someone.asked[0].subject) == ("mfa-code", SERIAL)


def test_a_wrong_code_is_asked_again(tmp_path: Path) -> None:
    someone, aws = person("111111", "222222", "123456"), Aws("123456")
    with_code(STEP, someone, _around(tmp_path), aws)
    assert aws.sent == ["111111", "222222", "123456"]
    assert someone.told == [
        "AWS did not accept that code: try again (2 left)",
        "AWS did not accept that code: try again (1 left)",
    ]


def test_three_wrong_codes_are_enough(tmp_path: Path) -> None:
    someone, aws = person("111111", "222222", "333333", "123456"), Aws("123456")
    with pytest.raises(SessionError, match=f"no MFA code was accepted for {SERIAL}"):
        with_code(STEP, someone, _around(tmp_path), aws)
    assert len(aws.sent) == 3


@pytest.mark.parametrize("typed", ["", "12345", "123456789", "12345x", "１２３４５６"])
def test_what_is_no_code_is_not_sent(tmp_path: Path, typed: str) -> None:
    someone, aws = person(typed, "123456"), Aws("123456")
    with_code(STEP, someone, _around(tmp_path), aws)
    assert aws.sent == ["123456"]
    assert someone.told == ["an MFA code is 6 digits: try again (2 left)"]


def test_spaces_in_a_code_are_left_out(tmp_path: Path) -> None:
    aws = Aws("123456")
    with_code(STEP, person(" 123 456 "), _around(tmp_path), aws)
    assert aws.sent == ["123456"]


def test_a_used_code_is_not_sent_and_costs_no_try(tmp_path: Path) -> None:
    around, aws = _around(tmp_path), Aws("123456", "654321")
    with_code(STEP, person("123456"), around, aws)
    someone = person("123456", "123456", "123456", "654321")
    with_code(STEP, someone, around, aws)
    assert aws.sent == ["123456", "654321"]
    assert set(someone.told) == {"that code has been used already: wait for the next one"}


def test_a_used_code_of_one_device_is_good_for_another(tmp_path: Path) -> None:
    around, aws = _around(tmp_path), Aws("123456")
    with_code(STEP, person("123456"), around, aws)
    other = SessionToken("work", duration=900, mfa_serial=SERIAL + "2")
    with_code(other, person("123456"), around, aws)
    assert len(aws.sent) == 2


def test_a_used_code_is_forgotten_after_some_minutes(tmp_path: Path) -> None:
    around, aws = _around(tmp_path), Aws("123456")
    with_code(STEP, person("123456"), around, aws)
    around.sleep(301)
    with_code(STEP, person("123456"), around, aws)
    assert len(aws.sent) == 2


def test_a_used_code_is_not_asked_for_for_ever(tmp_path: Path) -> None:
    around = _around(tmp_path)
    with_code(STEP, person("123456"), around, Aws("123456"))
    someone = Person(iter(lambda: "123456", None))
    with pytest.raises(SessionError, match="no MFA code was accepted"):
        with_code(STEP, someone, around, Aws("123456"))
    assert len(someone.asked) == 10


def test_what_is_remembered_is_no_code_and_private(tmp_path: Path) -> None:
    with_code(STEP, person("123456"), _around(tmp_path), Aws("123456"))
    file = tmp_path / "used-codes.json"
    assert "123456" not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {"used-codes.json"}


@pytest.mark.parametrize("damage", [b"", b"[]", b'{"a": "b"}', b"\xff", b'{"a": 1e999}'])
def test_a_damaged_memory_is_replaced(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "used-codes.json").write_bytes(damage)
    around, aws = _around(tmp_path), Aws("123456", "654321")
    with_code(STEP, person("123456"), around, aws)
    with_code(STEP, person("123456", "654321"), around, aws)
    assert aws.sent == ["123456", "654321"]


def test_no_person_to_ask_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NeedsPersonError):
        with_code(STEP, person(), _around(tmp_path), Aws())


def test_another_refusal_is_not_asked_again(tmp_path: Path) -> None:
    def refuse(code: str) -> Session:
        raise RefusedError("AWS refused it")

    someone = person("123456", "654321")
    with pytest.raises(RefusedError, match="AWS refused it"):
        with_code(STEP, someone, _around(tmp_path), refuse)
    assert len(someone.asked) == 1


def test_the_code_of_the_command_line_comes_first(tmp_path: Path) -> None:
    step, someone, aws = _printing(tmp_path, "222222"), person("333333"), Aws("111111")
    with_code(step, someone, _around(tmp_path, mfa_token="111111"), aws)
    assert (aws.sent, someone.asked) == (["111111"], [])


@pytest.mark.parametrize(("token", "problem"), [("111111", "did not accept"), ("abc", "is not 6 digits")])
def test_a_wrong_code_of_the_command_line_is_an_error(tmp_path: Path, token: str, problem: str) -> None:
    with pytest.raises(SessionError, match=f"{problem}.*give the"):
        with_code(STEP, person("123456"), _around(tmp_path, mfa_token=token), Aws("123456"))


def test_a_used_code_of_the_command_line_is_not_sent(tmp_path: Path) -> None:
    around, aws = _around(tmp_path, mfa_token="123456"), Aws("123456")
    with_code(STEP, person(), around, aws)
    with pytest.raises(SessionError, match="has been used already: give the next one"):
        with_code(STEP, person(), around, aws)
    assert len(aws.sent) == 1


def test_a_process_gives_the_code_before_a_person(tmp_path: Path) -> None:
    someone, aws = person("333333"), Aws("222222")
    with_code(_printing(tmp_path, "222222"), someone, _around(tmp_path), aws)
    assert (aws.sent, someone.asked) == (["222222"], [])


def test_a_process_runs_again_after_a_used_code(tmp_path: Path) -> None:
    clock = Clock(1_000_000_005)
    around = context(tmp_path, clock=clock, sleep=clock.sleep)
    aws = Aws("111111", "222222")
    with_code(_printing(tmp_path, "111111"), person(), around, aws)
    someone = person()
    with_code(_printing(tmp_path, "111111", "222222"), someone, around, aws)
    assert aws.sent == ["111111", "222222"]
    assert clock.slept == [pytest.approx(15.1)]  # 1,000,000,005 is 15 seconds before a window's end
    assert someone.told == ["this MFA code was used already or not accepted: waiting 15 s for the next one"]


def test_a_process_whose_codes_are_all_wrong_is_an_error(tmp_path: Path) -> None:
    step, around, aws = _printing(tmp_path, "111111", "222222", "333333", "444444"), _around(tmp_path), Aws()
    with pytest.raises(SessionError, match="no code of mfa_process in 3 tries"):
        with_code(step, person(), around, aws)
    assert aws.sent == ["111111", "222222", "333333"]


def test_a_process_that_prints_no_code_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match="mfa_process of profile work printed no code"):
        with_code(_printing(tmp_path, "touch the key"), person(), _around(tmp_path), Aws())


class Unreachable(Aws):
    """Nobody there for the first call."""

    def __call__(self, code: str) -> Session:
        if not self.sent:
            self.sent.append(code)
            raise UnsentError("AWS cannot be reached")
        return super().__call__(code)


def _by_process(folder: Path) -> tuple[Step, Person, Context]:
    return _printing(folder, "123456", "123456"), person(), _around(folder)


def _by_token(folder: Path) -> tuple[Step, Person, Context]:
    return STEP, person(), _around(folder, mfa_token="123456")


def _by_person(folder: Path) -> tuple[Step, Person, Context]:
    return STEP, person("123456", "123456"), _around(folder)


@pytest.mark.parametrize("door", [_by_process, _by_token, _by_person])
def test_a_code_that_was_not_sent_is_good_still(door: Any, tmp_path: Path) -> None:
    step, someone, around = door(tmp_path)
    aws = Unreachable("123456")
    with pytest.raises(UnsentError):
        with_code(step, someone, around, aws)
    assert with_code(step, someone, around, aws) == session()
    assert someone.told == []
