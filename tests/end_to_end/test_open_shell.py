"""`env`: a session in the shell that is already open, in the four real shells."""

import json
import subprocess
import sys

import pytest

from tests.end_to_end.conftest import Person
from tests.support.clients import need
from tests.support.terminal import PROGRAMS, SHELLS

pytestmark = [pytest.mark.real, pytest.mark.parametrize("shell", SHELLS)]

#: How a person writes it, as the README says.
ENTER = {
    "bash": 'eval "$(shellvault env {})"',
    "zsh": 'eval "$(shellvault env {})"',
    "fish": "shellvault env {} | source",
    "powershell": "shellvault env {} | Out-String | Invoke-Expression",
}

#: What the shells themselves change from one command to the next.
THEIR_OWN = ("_", "SHLVL", "PWD", "OLDPWD")


def script(person: Person, shell: str, *lines: str) -> subprocess.CompletedProcess[str]:
    """Runs the lines in the shell, which has none of the machine's start-up files to read."""
    plain = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"], "powershell": ["-NoProfile"]}[shell]
    flag = "-Command" if shell == "powershell" else "-c"
    result = person.home.run(str(need(PROGRAMS[shell])), *plain, flag, "\n".join(lines))
    assert "Traceback" not in result.stderr
    return result


def dump(shell: str) -> str:
    """A line that prints the environment a child gets, as one line of JSON."""
    program = "import json,os; print(json.dumps(dict(os.environ)))"
    call = "& " if shell == "powershell" else ""
    return f"{call}'{sys.executable}' -c '{program}'"


def environments(output: str) -> list[dict[str, str]]:
    """What `dump` printed, without what the shells change by themselves."""
    dumped = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return [{name: value for name, value in one.items() if name not in THEIR_OWN} for one in dumped]


def test_the_aws_cli_finds_the_session_of_the_open_shell(person: Person, shell: str) -> None:
    aws = need("aws-cli-2")
    call = "& " if shell == "powershell" else ""
    lines = (ENTER[shell].format("work"), f"{call}'{aws}' sts get-caller-identity --output json")
    result = script(person, shell, *lines)
    assert json.loads(result.stdout)["Arn"] == person.arn, result.stderr


def test_env_sets_what_the_sdks_and_the_prompts_read(person: Person, shell: str) -> None:
    person.home.environment["AWS_PROFILE"] = "other"
    result = script(person, shell, ENTER[shell].format("work"), dump(shell))
    (inside,) = environments(result.stdout)
    assert inside["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert inside["AWS_VAULT"] == "work"
    assert inside["AWS_REGION"] == inside["AWS_DEFAULT_REGION"] == "eu-central-1"
    assert inside["AWS_ENDPOINT_URL"] == person.aws.endpoint
    assert inside["AWS_CREDENTIAL_EXPIRATION"] == inside["AWS_SESSION_EXPIRATION"]
    assert inside["AWS_SESSION_EXPIRATION"].endswith("Z")
    assert int(inside["SHELLVAULT_REFRESH_AT"]) < int(inside["SHELLVAULT_EXPIRES_AT"])
    assert "AWS_PROFILE" not in inside


def test_leaving_puts_every_variable_back(person: Person, shell: str) -> None:
    before = {
        "AWS_ACCESS_KEY_ID": "AKIAELSEWHERE0000000",
        "AWS_PROFILE": 'it\'s "$HOME" `now`\\',
        "AWS_REGION": "",
        "AWS_VAULT": "grüße",
    }
    person.home.environment.update(before)
    lines = (
        dump(shell),
        ENTER[shell].format("work"),
        dump(shell),
        ENTER[shell].format("--leave"),
        dump(shell),
    )
    outside, inside, left = environments(script(person, shell, *lines).stdout)
    assert inside["AWS_ACCESS_KEY_ID"] != outside["AWS_ACCESS_KEY_ID"]
    assert left == outside


def test_switching_and_then_leaving_restores_the_original(person: Person, shell: str) -> None:
    person.home.environment["AWS_REGION"] = "us-west-2"
    lines = (
        dump(shell),
        ENTER[shell].format("work"),
        ENTER[shell].format("guarded"),
        dump(shell),
        ENTER[shell].format("--leave"),
        dump(shell),
    )
    outside, inside, left = environments(script(person, shell, *lines).stdout)
    assert inside["AWS_VAULT"] == "guarded"
    assert left == outside


def test_a_value_that_is_no_longer_ours_stays_on_leaving(person: Person, shell: str) -> None:
    change = {"fish": "set -gx AWS_REGION mine", "powershell": "$env:AWS_REGION = 'mine'"}
    lines = (
        ENTER[shell].format("work"),
        change.get(shell, "export AWS_REGION=mine"),
        ENTER[shell].format("--leave"),
        dump(shell),
    )
    (left,) = environments(script(person, shell, *lines).stdout)
    assert left["AWS_REGION"] == "mine"
    assert "AWS_ACCESS_KEY_ID" not in left


def test_a_profile_that_does_not_exist_changes_nothing(person: Person, shell: str) -> None:
    result = script(person, shell, dump(shell), ENTER[shell].format("nowhere"), dump(shell))
    outside, after = environments(result.stdout)
    assert after == outside
    assert result.stderr.startswith("shellvault: error: ")
    assert result.stderr.count("\n") == 1
