"""What each kind of caller gets: the rules of config.toml and profiles, and the policy that keeps secrets back."""

import json
from pathlib import Path

import pytest

import shellvault
from shellvault.actors import KINDS
from shellvault.callers import PERSON, RULES, Label, label, rules, without_secrets
from shellvault.errors import ConfigError
from shellvault.profiles.narrowing import MAX_CHARACTERS, checked_policy, read_only_access


def test_a_coding_agent_is_asked_for_by_default() -> None:
    usual = {"person": "allow", "coding-agent": "ask", "background": "allow"}
    assert rules({}, "", is_production=False) == usual


def test_production_asks_for_everything_but_a_person() -> None:
    found = rules({"coding-agent": "allow", "background": "allow"}, "", is_production=True)
    assert found == {"person": "allow", "coding-agent": "ask", "background": "ask"}


def test_a_profile_beats_production_and_the_general_rule() -> None:
    found = rules({"background": "refuse"}, "coding-agent:read-only, background:allow", is_production=True)
    assert found == {"person": "allow", "coding-agent": "read-only", "background": "allow"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", RULES)
def test_each_kind_takes_each_rule(kind: str, rule: str) -> None:
    assert dict(rules({kind: rule}, "", is_production=False))[kind] == rule  # type: ignore[index]
    assert dict(rules({}, f"{kind}:{rule}", is_production=True))[kind] == rule  # type: ignore[index]


@pytest.mark.parametrize("text", ["coding-agent", "coding-agent:maybe", "agent:ask", ":", "person:"])
def test_a_rule_that_does_not_exist_is_an_error(text: str) -> None:
    with pytest.raises(ConfigError, match="no rule"):
        rules({}, text, is_production=False)


@pytest.mark.parametrize("given", [PERSON, Label("background"), Label("coding-agent", "claude-code", "7f3a")])
def test_a_label_is_read_as_it_was_written(given: Label) -> None:
    assert label(str(given)) == given


@pytest.mark.parametrize("text", ["root", "coding-agent:x", "coding-agent:a b:c", "person:a:b:c"])
def test_what_is_no_label_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an actor"):
        label(text)


def test_the_policy_without_secrets_is_one_that_aws_takes() -> None:
    text = without_secrets(["s3:GetObject"])
    assert checked_policy(text, "here") == text
    assert len(text) + len(read_only_access("aws-us-gov")) <= MAX_CHARACTERS
    assert "s3:GetObject" in json.loads(text)["Statement"][0]["Action"]


#: Where the passphrase variables are named, and that it is no answer to a question: they are hidden, or spoken of.
NAMED = {
    "variables.py",  # the list, which no child inherits
    "myself.py",  # the one that answers with them, and not to a coding agent
    "client/agent.py",  # says which passphrase was wrong
    "cli/orphans.py",  # whether the vault can be opened without a question
    "cli/commands/passphrase.py",  # that the variable has the old one
    "doctor/system_checks.py",  # whether it is weak
    "dialogue/prompters.py",
    "vault/file.py",
    "fastlane/commands.py",
    "fastlane/program.py",
    "importing/makers.py",
    "configuration.py",
    "cli/aws_vault.py",
}


def test_one_function_answers_with_the_passphrase_variables() -> None:
    package = Path(shellvault.__file__).parent
    texts = {file.relative_to(package).as_posix(): file.read_text("utf-8") for file in package.rglob("*.py")}
    found = {
        name for name, text in texts.items() if "FILE_PASSPHRASE" in text or "PASSPHRASE_VARIABLES" in text
    }
    assert found <= NAMED
    assert "PASSPHRASE_VARIABLES" not in texts["dialogue/prompters.py"] + texts["vault/file.py"]
