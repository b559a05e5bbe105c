"""Every SDK gets sessions by way of the config file alone, and what was written can be taken out again."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time

import pytest

from shellvault.profiles.edit import _LOCK_SUFFIX, BACKUP_SUFFIX
from tests.end_to_end.conftest import Person
from tests.support.clients import need
from tests.support.home import Home

pytestmark = pytest.mark.real

ROUNDS = int(os.environ.get("SHELLVAULT_KILL_ROUNDS", "4"))

WHO_AM_I = (sys.executable, "-c", "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])")


def test_boto3_and_the_cli_use_it_and_removal_restores_the_file(person: Person) -> None:
    role = person.role("deploy")
    person.configure(f"[profile deploy]\nsource_profile = work\nrole_arn = {role}\nregion = eu-central-1")
    before = person.home.config_file.read_text()
    done = person.home.shellvault("install-process", "work", "deploy")
    assert done.returncode == 0, done.stderr
    assert "[profile deploy-shellvault]" in done.stderr
    there = {"AWS_ENDPOINT_URL": person.aws.endpoint, "AWS_DEFAULT_REGION": "eu-central-1"}
    shown = person.home.run(*WHO_AM_I, AWS_PROFILE="work", **there)
    assert shown.stdout == f"{person.arn}\n", shown.stderr
    aws = str(need("aws-cli-2"))
    shown = person.home.run(
        aws, "sts", "get-caller-identity", "--output", "json", AWS_PROFILE="deploy-shellvault", **there
    )
    assert f"assumed-role/{person.user}-deploy/" in json.loads(shown.stdout)["Arn"], shown.stderr
    assert "has it already" in person.home.shellvault("install-process", "work").stderr

    assert person.home.shellvault("install-process", "--remove", "work", "deploy").returncode == 0
    assert person.home.config_file.read_text() == before


def test_one_that_needs_a_person_fails_at_once_with_one_line(person: Person) -> None:
    person.configure("[profile locked]\nmfa_serial = arn:aws:iam::000000000000:mfa/locked")
    person.home.run(
        "shellvault", "add", "--env", "--no-check", "locked",
        AWS_ACCESS_KEY_ID=person.keys.access_key_id, AWS_SECRET_ACCESS_KEY=person.keys.secret_access_key,
    )  # fmt: skip
    assert person.home.shellvault("install-process", "locked").returncode == 0
    started = time.monotonic()
    done: subprocess.CompletedProcess[str] = person.home.run(*WHO_AM_I, AWS_PROFILE="locked")
    assert time.monotonic() - started < 30
    assert "an MFA code of arn:aws:iam::000000000000:mfa/locked is needed" in done.stderr
    assert "run a command in a terminal once" in done.stderr


def test_killed_anywhere_the_config_file_is_whole(home: Home) -> None:
    sections = [f"[profile p{number}]\nregion = eu-central-1\n# by hand\n" for number in range(12)]
    home.write_config("\n".join(sections))
    before = home.config_file.read_text()
    beside = {"config", f"config{BACKUP_SUFFIX}", f".config{_LOCK_SUFFIX}"}
    chance, took, seen = random.Random(7), 0.0, {before}
    for number in range(ROUNDS):
        undo = ("--remove",) if number % 2 else ()
        command = ("install-process", *undo, *(f"p{each}" for each in range(12)))
        if took:
            running = home.start("shellvault", *command)
            time.sleep(chance.uniform(0.05, took))
            os.killpg(running.pid, signal.SIGKILL)
            running.communicate(timeout=30)
        for path in home.config_file.parent.iterdir():
            # Killed in the moment between the new file's name and the rename, it leaves a whole copy.
            is_copy = re.fullmatch(r"\.config(\.shellvault-backup)?\.[0-9a-f]{8}", path.name)
            assert path.name in beside or (is_copy and path.read_text() in seen)
        lines = home.config_file.read_text().splitlines(keepends=True)
        assert "".join(line for line in lines if not line.startswith("credential_process = ")) == before
        started = time.monotonic()
        done: subprocess.CompletedProcess[str] = home.shellvault(*command)
        if not took:
            took = time.monotonic() - started
        assert done.returncode == 0, done.stderr
        written = home.config_file.read_text()
        seen.add(written)
        assert written.count("credential_process = ") == (0 if undo else 12)
        assert not undo or written == before


def test_what_is_there_already_is_left_alone(person: Person) -> None:
    person.configure("[profile theirs]\ncredential_process = /bin/theirs")
    assert "left alone" in person.home.shellvault("install-process", "theirs").stderr
    assert "there is no profile nope" in person.home.shellvault("install-process", "nope").stderr
    assert "credential_process = /bin/theirs" in person.home.config_file.read_text()


CARRIED = """\
region = eu-central-1
output = yaml
endpoint_url = http://127.0.0.1:1
ca_bundle = /etc/ssl/corp.pem
retry_mode = adaptive
services = mine
s3 =
  addressing_style = path
  max_concurrent_requests = 3
cli_pager =
"""


def test_a_role_keeps_all_that_is_not_about_credentials(home: Home) -> None:
    home.write_config(
        "[profile deploy]\nsource_profile = work\nrole_arn = arn:aws:iam::123456789012:role/x\n"
        f"mfa_serial = arn:aws:iam::123456789012:mfa/me\nduration_seconds = 900\n{CARRIED}"
    )
    before = home.config_file.read_text()
    assert home.shellvault("install-process", "deploy").returncode == 0
    added = home.config_file.read_text().removeprefix(before).split("[profile deploy-shellvault]\n")[1]
    lines = added.splitlines()
    assert sorted(lines[:-1]) == sorted(line.rstrip() for line in CARRIED.splitlines())
    assert lines[-1].startswith("credential_process = ")
    assert home.shellvault("install-process", "--remove", "deploy").returncode == 0
    assert home.config_file.read_text() == before


@pytest.mark.parametrize(
    "line",
    [
        "aws-vault exec work --json",
        "aws-vault exec --json --duration 1h work",
        "/no/longer/here/aws-vault --backend file export --format=json work",
        "env AWS_VAULT_BACKEND=file aws-vault exec -j work",
        "sh -c 'aws-vault exec work --json'",
        "granted credential-process --profile work",
        "aws-sso process --profile=work",
    ],
)
def test_a_line_of_another_tool_is_taken_over_and_put_back(person: Person, line: str) -> None:
    person.configure(f"[profile ide]\n  region = eu-west-3\n  credential_process = {line}")
    before = person.home.config_file.read_text()
    done = person.home.shellvault("doctor", "--offline")
    assert "profile ide" in done.stdout
    assert "shellvault install-process ide" in done.stdout
    done = person.home.shellvault("install-process", "ide")
    assert done.returncode == 0, done.stderr
    text = person.home.config_file.read_text()
    assert f"shellvault_replaced_process = {line}" in text
    assert not re.search(r"^ *credential_process = .*(aws-vault|granted|aws-sso)", text, re.M)
    there = {"AWS_ENDPOINT_URL": person.aws.endpoint}
    shown = person.home.run(*WHO_AM_I, AWS_PROFILE="ide", **there)
    assert shown.stdout == f"{person.arn}\n", shown.stderr
    assert "profile ide" not in person.home.shellvault("doctor", "--offline").stdout
    assert person.home.shellvault("install-process", "--remove", "ide").returncode == 0
    assert person.home.config_file.read_text() == before


def test_a_line_that_shellvault_cannot_stand_for_stays(person: Person) -> None:
    person.configure("[profile ide]\ncredential_process = aws-vault exec theirs --json")
    before = person.home.config_file.read_text()
    assert "has no keys of theirs" in person.home.shellvault("install-process", "ide").stderr
    assert person.home.config_file.read_text() == before


def test_a_name_with_a_blank_is_quoted_where_it_is_shown(home: Home) -> None:
    home.write_config('[profile "my work"]\nregion = eu-west-3\n')
    said = home.shellvault("install-process", "my work").stderr
    assert "AWS_PROFILE='my work' works in SDKs that read such a name" in said
    assert "every SDK" not in said


def test_a_profile_of_granted_is_explained_and_taken_over(home: Home) -> None:
    values = {
        "start_url": "https://d-1234567890.awsapps.com/start",
        "region": "eu-west-1",
        "account_id": "123456789012",
        "role_name": "Admin",
    }
    lines = [f"{{}}sso_{key} = {value}\n" for key, value in values.items()]
    process = "credential_process = granted credential-process --profile admin\n"
    granted = "".join(line.format("granted_") for line in lines)
    home.write_config(f"[profile admin]\n{granted}{process}")
    refused = home.fail("install-process", "admin")
    for key in values:
        assert f"sso_{key}" in refused
    home.write_config(f"[profile admin]\n{granted}{''.join(line.format('') for line in lines)}{process}")
    home.succeed("install-process", "admin")
    started = [
        line for line in home.config_file.read_text().splitlines() if line.startswith("credential_process")
    ]
    assert [line for line in started if "granted" in line] == []
    assert "shellvault export" in started[0]
