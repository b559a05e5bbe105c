"""What is known of sessions that were given out, and how they end: `status`, `history`, `revoke`."""

import json
import subprocess
import sys
import time

import pytest
from botocore.exceptions import ClientError

from tests.end_to_end.conftest import Person
from tests.support.emulator import ACCOUNT, Aws, Keys
from tests.support.terminal import terminal

pytestmark = pytest.mark.real

by_the_agent = pytest.mark.parametrize("person", ["agent"], indirect=True)

AGENT = {"CLAUDECODE": "1"}

#: Each door to a session of `work`, as a shell's script.
DOORS = {
    "exec": "shellvault exec work -- true",
    "exec, warm": "shellvault exec work -- true; shellvault exec work -- true",
    "env": 'eval "$(shellvault env --shell bash work)"',
    "export": "shellvault export work --format json >/dev/null",
    "without the agent": "shellvault exec --no-agent work -- true",
    "long-term keys": "shellvault exec -n work -- true",
    "endpoint": (
        "shellvault exec --lazy --server work -- "
        f"'{sys.executable}' -c 'import boto3; boto3.client(\"sts\").get_caller_identity()'"
    ),
}


def recorded(person: Person, *words: str) -> list[dict[str, str]]:
    """The history; the agent writes it after it has replied."""
    time.sleep(0.2)
    found: list[dict[str, str]] = json.loads(person.home.succeed("history", "--json", *words))
    return found


@by_the_agent
@pytest.mark.parametrize("door", DOORS)
def test_each_door_records_what_it_gives_and_refuses(person: Person, door: str) -> None:
    person.home.succeed("unlock")
    done = person.home.run("bash", "-c", DOORS[door])
    assert done.returncode == 0, done.stderr
    given = recorded(person)
    assert [entry["answer"] for entry in given] == ["given"] * (2 if "warm" in door else 1)
    assert (given[-1]["actor"], given[-1]["profile"], given[-1]["folder"]) == (
        "background",
        "work",
        str(person.home.path),
    )
    assert person.keys.secret_access_key not in json.dumps(given)
    person.home.write_settings('[callers]\ncoding-agent = "refuse"\n')
    person.home.run("bash", "-c", DOORS[door], **AGENT)
    refused = recorded(person)[len(given) :]
    assert {(entry["answer"], entry["program"]) for entry in refused} == {("refused", "claude-code")}


@by_the_agent
def test_history_can_be_switched_off_and_filtered(person: Person) -> None:
    person.home.write_settings("history = false\n")
    person.home.succeed("exec", "work", "--", "true")
    person.home.succeed("exec", "--no-agent", "work", "--", "true")
    assert recorded(person) == []
    person.home.write_settings("")
    person.home.succeed("exec", "--fresh", "--reason", "a\x1bb", "work", "--", "true")
    assert [entry["reason"] for entry in recorded(person, "--since", "1h", "--profile", "work")] == ["a\x1bb"]
    assert recorded(person, "--profile", "other") == []
    assert "a\\x1bb" in person.home.succeed("history")


def test_a_profile_can_want_a_reason(person: Person) -> None:
    person.configure(
        f"[profile prod]\nsource_profile = work\nrole_arn = {person.role('r')}\nshellvault_reason = required"
    )
    person.configure("shellvault_callers = background:allow")
    for words in (
        ["exec", "prod", "--", "true"],
        ["export", "prod", "--format", "json"],
        ["env", "--shell", "bash", "prod"],
    ) * 2:
        done = person.home.run("shellvault", *words)
        assert "wants a reason: add --reason TEXT" in done.stderr, words
        person.home.succeed("exec", "--reason", "why", "prod", "--", "true")


@by_the_agent
def test_status_is_a_receipt_of_this_shell(person: Person) -> None:
    role = person.role("deploy")
    person.configure(f"[profile deploy]\nsource_profile = work\nrole_arn = {role}")
    assert person.home.run("shellvault", "status").returncode == 3
    with terminal(person.home, "bash") as shell:
        shell.run('eval "$(shellvault env --read-only deploy)"')
        shown = shell.printed("shellvault status")
        found = json.loads(shell.printed("shellvault whoami --json"))
        planned = json.loads(shell.printed("XDG_RUNTIME_DIR= shellvault whoami --json"))
        every = json.loads(shell.printed("shellvault status --all --json"))
        shell.run("AWS_SESSION_EXPIRATION= SHELLVAULT_EXPIRES_AT=1 shellvault status; echo over $?")
    assert (found["profile"], found["account"], found["role"]) == ("deploy", ACCOUNT, role.rpartition("/")[2])
    assert (found["narrowed"], found["renewal"], found["valid"]) == ("ro", "renewed", True)
    assert "read-only" in shown and "then renewed" in shown
    # What the agent knows is what a plan says where it cannot be asked.
    assert [planned[key] for key in ("account", "role", "source")] == [
        found[key] for key in ("account", "role", "source")
    ]
    assert (planned["source"], planned["renewal"]) == ("stored-keys, assume-role", "ends")
    assert [(each["kind"], each["profile"], each["folder"]) for each in every] == [
        ("shell", "deploy", str(person.home.path))
    ]


@by_the_agent
def test_status_all_shows_commands_and_endpoints(person: Person) -> None:
    started: list[subprocess.Popen[str]] = []
    for words in (["exec", "work"], ["exec", "--server", "work"]):
        started.append(person.home.start("shellvault", *words, "--", "sleep", "60"))
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            found = json.loads(person.home.run("shellvault", "status", "--all", "--json").stdout)
            if {each["kind"] for each in found} == {"command", "endpoint"}:
                break
            time.sleep(0.2)
        assert {each["process"] for each in found} <= {process.pid for process in started}
    finally:
        for process in started:
            process.kill()
            process.communicate()


def _keys(person: Person) -> Keys:
    """The session that a command gets."""
    found = json.loads(person.home.succeed("export", "deploy", "--format", "json"))
    return Keys(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])


def _may_read(person: Person, keys: Keys) -> bool:
    """Whether AWS lets a session read."""
    try:
        Aws(person.front.endpoint, 0).client("iam", keys).list_users()
    except ClientError as error:
        assert error.response["Error"]["Code"] == "AccessDenied"
        return False
    return True


@by_the_agent
def test_revoke_forgets_here_and_at_aws(person: Person) -> None:
    role = person.role("deploy")
    person.configure(f"[profile deploy]\nsource_profile = work\nrole_arn = {role}")
    older = _keys(person)
    assert _may_read(person, older)
    holder = person.home.start("shellvault", "exec", "deploy", "--", "sleep", "60")
    try:
        deadline = time.monotonic() + 30
        while (
            time.monotonic() < deadline
            and "sleep" not in person.home.run("shellvault", "status", "--all").stdout
        ):
            time.sleep(0.2)
        done = person.home.run("shellvault", "revoke", "deploy", "--at-aws", "-f", "--as", "work")
        assert done.returncode == 0, done.stderr
        assert "that AWS now denies" in done.stderr
        assert "sessions of other roles that were assumed with these live on, until " in done.stderr
        assert "deploy" not in person.home.succeed("list", "--sessions")
    finally:
        holder.kill()
        holder.communicate()
    assert not _may_read(person, older)
    newer = _keys(person)
    assert newer != older and _may_read(person, newer)


@by_the_agent
def test_what_cannot_be_revoked_at_aws_is_said(person: Person) -> None:
    done = person.home.run("shellvault", "revoke", "work", "--at-aws", "-f")
    assert "work has no role: `shellvault rotate work`" in done.stderr
    refused = person.home.run("shellvault", "revoke", "work", **AGENT)
    assert "a person is needed" in refused.stderr
