"""What a role's session shows of a coding agent at AWS: its name, SourceIdentity and tags, at each door."""

import getpass
import sys

import pytest

from tests.end_to_end.conftest import Person
from tests.end_to_end.test_callers import question
from tests.support.terminal import terminal

pytestmark = pytest.mark.real

by_the_agent = pytest.mark.parametrize("person", ["agent"], indirect=True)

#: What a coding agent sets for what it starts.
AGENT = {"CLAUDECODE": "1"}

_ASK = "import boto3; boto3.client('sts').get_caller_identity()"
_ASK_ROLE = (
    "import os, urllib.request as u; e = os.environ; h = {{'Authorization': e['AWS_CONTAINER_AUTHORIZATION_TOKEN']}}; "
    "a = e['AWS_CONTAINER_CREDENTIALS_FULL_URI'].replace('/credentials', '/role-arn/' + {role!r}); "
    "u.build_opener(u.ProxyHandler({{}})).open(u.Request(a, headers=h)).read()"
)

#: Each door to a role's session, as a shell's script.
DOORS = {
    "exec": "shellvault exec --reason why admin -- true",
    "env": 'eval "$(shellvault env --reason why --shell bash admin)"',
    "export": "shellvault export --reason why admin --format json >/dev/null",
    "exec --server": f"shellvault exec --server --lazy --reason why admin -- '{sys.executable}' -c \"{_ASK}\"",
    "/role-arn": "shellvault exec --server --reason why admin -- '{python}' -c \"{ask}\"",
}


def settle(person: Person, rule: str = "allow", marks: str = "", **trust: object) -> str:
    """A role `admin` of which coding agents get sessions by `rule`; its ARN."""
    role = person.role("admin", **trust)
    person.configure(f"[profile admin]\nsource_profile = work\nrole_arn = {role}")
    person.home.write_settings(f'[callers]\ncoding-agent = "{rule}"\n[marks]\n{marks}')
    if "SHELLVAULT_NO_AGENT" not in person.home.environment:
        person.home.succeed("unlock")
    return role


def run(person: Person, script: str, **environment: str) -> str:
    """What a shell of a coding agent says on stderr while it runs this."""
    done = person.home.run("bash", "-c", script, **AGENT, **environment)
    assert done.returncode == 0, done.stderr
    return done.stderr


@by_the_agent
@pytest.mark.parametrize("door", DOORS)
def test_each_door_marks_what_it_gives_a_coding_agent(person: Person, door: str) -> None:
    settle(person)
    other = person.role("other", trusts=f"role/{person.user}-admin")
    script = DOORS[door].replace("{python}", sys.executable).replace("{ask}", _ASK_ROLE.format(role=other))
    run(person, script)
    for shown in person.front.marks:
        assert shown.session_name.startswith(f"{getpass.getuser()}+claude-code+")
        assert shown.source_identity == getpass.getuser()
        assert dict(shown.tags) == {"actor": "coding-agent", "program": "claude-code", "reason": "why"}
    assert len(person.front.marks) == (2 if door == "/role-arn" else 1)


def test_a_command_without_the_agent_marks_it_too(keyring_person: Person) -> None:
    keyring_person.home.environment["SHELLVAULT_NO_AGENT"] = "1"
    settle(keyring_person)
    run(keyring_person, DOORS["exec"])
    (shown,) = keyring_person.front.marks
    assert dict(shown.tags)["reason"] == "why" and shown.source_identity


@by_the_agent
def test_a_session_is_for_callers_with_its_own_marks(person: Person) -> None:
    settle(person)
    person.home.succeed("exec", "admin", "--", "true")
    assert person.front.marks[-1].tags == ()
    once = "shellvault exec admin -- true;"
    run(person, once * 3 + "shellvault exec --reason other admin -- true;" * 2)
    assert [dict(shown.tags).get("reason") for shown in person.front.marks] == [None, None, "other"]
    run(person, once)
    names = {shown.session_name for shown in person.front.marks}
    assert len(person.front.marks) == 4 and len(names) == 3
    person.home.succeed("exec", "admin", "--", "true")
    assert len(person.front.marks) == 4


@by_the_agent
def test_no_program_names_its_own_person(person: Person) -> None:
    settle(person)
    claims = {
        "USER": "bob",
        "LOGNAME": "bob",
        "AWS_ROLE_SESSION_NAME": "bob",
        "AWS_SOURCE_IDENTITY": "bob",
        "AWS_SESSION_TAGS": "actor=person,team=web",
    }
    with terminal(person.home, "bash") as one:
        # What it has set itself takes a yes.
        waiting = person.home.start("bash", "-c", DOORS["exec"], **AGENT, **claims)
        one.run(f"shellvault approve {question(person)}")
        assert waiting.communicate(timeout=60)[0] == ""
    (shown,) = person.front.marks
    assert "bob" not in f"{shown.session_name}{shown.source_identity}"
    assert dict(shown.tags)["actor"] == "coding-agent" and dict(shown.tags)["team"] == "web"


@by_the_agent
def test_what_aws_refuses_is_said_once_and_costs_no_second_call(person: Person) -> None:
    settle(person, allows=["sts:AssumeRole"])
    said = run(person, "shellvault exec admin -- true")
    assert said.count("AWS does not take all marks of this caller") == 1
    assert "allow sts:SetSourceIdentity and sts:TagSession in the role's trust policy" in said
    assert person.front.calls.count("AssumeRole") == 3
    assert "AWS does not take" not in run(person, "shellvault exec admin -- true")
    assert person.front.calls.count("AssumeRole") == 4
    assert [(shown.source_identity, shown.tags) for shown in person.front.marks] == [("", ())] * 2


@by_the_agent
def test_a_setting_refuses_what_cannot_be_marked(person: Person) -> None:
    settle(person, marks='refused = "refuse"\n', allows=["sts:AssumeRole", "sts:SetSourceIdentity"])
    for profile, why in (
        ("admin", "must show its caller: allow sts:"),
        ("work", "AWS takes no SourceIdentity"),
    ):
        done = person.home.run("shellvault", "exec", profile, "--", "true", **AGENT)
        assert done.returncode and why in done.stderr
        person.home.succeed("exec", profile, "--", "true")
    assert [shown.tags for shown in person.front.marks] == [()]
