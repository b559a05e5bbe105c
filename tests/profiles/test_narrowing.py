"""What a session is narrowed to: what AWS would not take is said before it is asked, in one line."""

import json
from pathlib import Path

import pytest

from shellvault.errors import ConfigError
from shellvault.fastlane.request import policy_text
from shellvault.profiles.model import Narrowing
from shellvault.profiles.narrowing import MAX_CHARACTERS, checked_policy, of_command_line
from shellvault.profiles.policy_files import read_policy
from tests.profiles.resolving import resolved

OWN, AWS_OWN = (
    "arn:aws:iam::111111111111:policy/team/deploy",
    "arn:aws:iam::aws:policy/job-function/ViewOnlyAccess",
)
POLICY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}]}'


def test_a_policy_is_kept_without_blanks_and_says_the_same() -> None:
    laid_out = json.dumps(json.loads(POLICY), indent=4)
    assert checked_policy(laid_out, "--policy") == POLICY
    assert checked_policy(policy_text(f"\ufeff{laid_out}\r\n".encode()), "--policy") == POLICY


def test_a_text_inside_of_a_policy_stays_as_it_is() -> None:
    text = '{\n  "Statement": [{"Sid": "two  blanks \\" é\u2028x"}]\n}'
    assert json.loads(policy_text(text.encode())) == json.loads(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("not json", "no policy in JSON"),
        # How deep is too deep is the interpreter's choice.
        ("[" * 5000, "no policy in JSON"),
        ("[]", "Statement"),
        ('{"Statement": "x"}', "Statement"),
        ('{"Statement": [], "Statement": {}}', "twice"),
        ('{"Statement": [NaN]}', "NaN is no JSON"),
        (POLICY.replace("s3:Get*", "s" * MAX_CHARACTERS), "AWS takes 2048: shorten it"),
    ],
    ids=lambda value: value[:40],
)
def test_what_is_no_policy_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as refused:
        checked_policy(text, "--policy")
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith("--policy: ")


def test_arns_are_checked_and_each_is_taken_once() -> None:
    found = of_command_line(False, f"{AWS_OWN} {OWN} {AWS_OWN}", None)
    assert found == Narrowing(policy_arns=(OWN, AWS_OWN), where="--policy-arn")
    for wrong in (
        "ReadOnlyAccess",
        "arn:aws:iam::1:policy/x",
        "arn:aws:iam::111111111111:role/x",
        f"{OWN} x",
    ):
        with pytest.raises(ConfigError, match="is not the ARN of a managed policy"):
            of_command_line(False, wrong, None)
    with pytest.raises(ConfigError, match="these are 11 managed policies, and AWS takes 10"):
        of_command_line(False, " ".join(f"{OWN}{number}" for number in range(11)), None)


@pytest.mark.parametrize(("arns", "policy"), [(OWN, None), ("", POLICY), (OWN, POLICY)])
def test_read_only_stands_alone_because_aws_adds_policies_up(arns: str, policy: str | None) -> None:
    with pytest.raises(
        ConfigError, match=r"--read-only and .* exclude each other: AWS adds session policies up"
    ):
        of_command_line(True, arns, policy)


def test_a_profile_asks_by_its_keys() -> None:
    assert resolved("[profile a]\nregion = x-y-1", "a").narrowing is None
    read_only = resolved("[profile a]\nshellvault_read_only = true", "a").narrowing
    assert read_only
    assert (read_only.label, read_only.is_narrow) == ("ro", True)
    both = resolved(
        f"[profile a]\nshellvault_policy_arns = {OWN}, {AWS_OWN}\nshellvault_policy = p.json", "a"
    ).narrowing
    assert both
    assert (both.policy_arns, both.policy_file, both.label) == ((OWN, AWS_OWN), "p.json", "policy")


def test_default_narrows_everything_that_does_not_say_otherwise() -> None:
    text = "[default]\nshellvault_read_only = true\n[profile a]\n[profile b]\nshellvault_read_only = false\n"
    inherited, own = resolved(text, "a").narrowing, resolved(text, "b").narrowing
    assert inherited
    assert inherited.read_only
    assert own
    assert not own.is_narrow
    with pytest.raises(ConfigError, match="exclude each other"):
        resolved(
            f"{text}shellvault_read_only = true\nshellvault_policy = p.json\n".replace(
                "= false\n", "= true\n"
            ),
            "b",
        )


@pytest.mark.parametrize(
    "line",
    ["shellvault_read_only = yes", "shellvault_policy_arns = ReadOnlyAccess", "shellvault_policy = a\x01"],
)
def test_a_wrong_value_names_file_and_line(line: str) -> None:
    with pytest.raises(ConfigError, match=":2: shellvault_"):
        resolved(f"[profile a]\n{line}", "a")


@pytest.mark.parametrize(
    "content", [None, b"", b"\xff\xfe", b'"' * 5000], ids=["none", "empty", "binary", "long"]
)
def test_a_file_that_holds_no_policy_is_named(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"^--policy: .*p\.json"):
        read_policy(str(path), "--policy")
