"""What `add` makes of what a person types or pastes for a pair of keys."""

import pytest

from shellvault.dialogue.questions import key_id_problem, read_pair, secret_problem

KEY_ID, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


@pytest.mark.parametrize(
    "line",
    [
        f"{KEY_ID},{SECRET}",
        f"\ufeff{KEY_ID},{SECRET}",
        f"jo,{KEY_ID},{SECRET}",
        f'"{KEY_ID}","{SECRET}"',
        f"{KEY_ID}\t{SECRET}",
        f"  {KEY_ID}  {SECRET}  ",
        f"{KEY_ID};{SECRET}",
        f'{{"AccessKeyId": "{KEY_ID}", "SecretAccessKey": "{SECRET}"}}',
    ],
)
def test_one_line_may_have_both(line: str) -> None:
    assert read_pair(line) == (KEY_ID, SECRET)


@pytest.mark.parametrize(
    "line",
    [
        KEY_ID,
        f" {KEY_ID}\r",
        f"aws_access_key_id = {KEY_ID}",
        f"export AWS_ACCESS_KEY_ID={KEY_ID}",
        f'$env:AWS_ACCESS_KEY_ID="{KEY_ID}"',
        f"Access key ID: {KEY_ID}",
        f'"AccessKeyId": "{KEY_ID}",',
    ],
)
def test_an_id_may_have_its_label(line: str) -> None:
    assert read_pair(line) == (KEY_ID, None)


@pytest.mark.parametrize(
    "line",
    ["Access key ID,Secret access key", "\ufeffUser name,Access key ID,Secret access key", "[default]"],
)
def test_a_heading_is_passed_over(line: str) -> None:
    assert read_pair(line) == (None, None)


def test_an_emulators_pair_may_be_of_any_shape() -> None:
    assert read_pair("test test") == ("test", "test")
    assert read_pair("test") == ("test", None)
    assert (key_id_problem("test"), secret_problem("test")) == (None, None)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("ASIAIOSFODNN7EXAMPLE", "temporary keys"),
        ("AIDAIOSFODNN7EXAMPLE", "a user"),
        ("", "no access key id"),
        ("AKIA/IOSFODNN7EXAMPL", "no access key id"),
    ],
)
def test_what_is_no_id_is_said(wrong: str, told: str) -> None:
    assert told in (key_id_problem(wrong) or "")
