"""A narrowed session, against an AWS that evaluates session policies: it reads, and does not write."""

import json
import sys

import pytest

from tests.end_to_end.conftest import Person
from tests.end_to_end.test_open_shell import ENTER, script
from tests.support.clients import need
from tests.support.terminal import SHELLS

pytestmark = pytest.mark.real

#: Reads, then tries to write; prints what each came to.
TRY = """
import boto3, sys
iam = boto3.client("iam")
def attempt(call, **arguments):
    try:
        call(**arguments)
        return "allowed"
    except iam.exceptions.ClientError as error:
        return error.response["Error"]["Code"]
print(attempt(iam.list_users), attempt(iam.create_user, UserName=sys.argv[1]))
"""
#: Takes the session of the role in the second argument from the container endpoint.
ASK_FOR_A_ROLE = """
import json, os, sys, urllib.request
url = os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"].replace("/credentials", "/role-arn/" + sys.argv[2])
token = os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
got = json.load(urllib.request.urlopen(urllib.request.Request(url, headers={"Authorization": token})))
os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"] = got["AccessKeyId"], got["SecretAccessKey"]
os.environ["AWS_SESSION_TOKEN"] = got["Token"]
"""
READS_ONLY, READS_AND_WRITES, NEITHER = (
    "allowed AccessDenied\n",
    "allowed allowed\n",
    "AccessDenied AccessDenied\n",
)


def policy(*actions: str) -> str:
    """A policy as people write it."""
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=2)


by_the_agent = pytest.mark.parametrize("person", ["agent"], indirect=True)


@pytest.fixture
def admin(person: Person) -> Person:
    """A person whose profile `admin` is a role that may do everything."""
    person.configure(f"[profile admin]\nsource_profile = work\nrole_arn = {person.role('admin')}")
    return person


def tried(person: Person, *options: str, profile: str = "admin") -> str:
    """What a program of boto3's may do in a session had with these options."""
    user = f"{person.user}-{'-'.join(options).strip('-')[:20].replace('/', '')}"
    return person.home.succeed("exec", *options, profile, "--", sys.executable, "-c", TRY, user)


def test_a_read_only_session_reads_and_does_not_write(admin: Person) -> None:
    assert tried(admin, "--read-only") == READS_ONLY
    # Warm or not, neither is given for the other.
    assert tried(admin) == READS_AND_WRITES
    assert tried(admin, "--read-only") == READS_ONLY


def test_a_policy_allows_what_is_in_the_file_now(admin: Person) -> None:
    file = admin.home.path / "less.json"
    file.write_text(policy("iam:ListUsers"))
    assert tried(admin, "--policy", str(file)) == READS_ONLY
    file.write_text(policy("s3:*"))
    assert tried(admin, "--policy", str(file)) == NEITHER
    assert tried(admin, "--policy-arn", "arn:aws:iam::aws:policy/IAMReadOnlyAccess") == READS_ONLY


@by_the_agent
def test_an_empty_variable_of_a_script_does_not_mean_everything(person: Person) -> None:
    for option in ("--policy", "--policy-arn"):
        assert f"{option}: " in person.home.fail(
            "exec", option, "", "work", "--", "true", status=2 if "arn" in option else 1
        )
        assert f"{option}: " in person.home.shellvault("env", "--shell", "bash", option, "", "work").stderr


@by_the_agent
def test_a_policy_may_come_from_a_pipe(admin: Person) -> None:
    (admin.home.path / "less.json").write_text(policy("iam:ListUsers"))
    line = f'shellvault exec --policy <(cat ~/less.json) admin -- "$0" -c "$1" {admin.user}-pipe'
    done = admin.home.run("bash", "-c", line, sys.executable, TRY)
    assert (done.stdout, done.stderr) == (READS_ONLY, "")


def test_the_config_file_narrows_a_profile(admin: Person) -> None:
    file = admin.home.config_file.parent / "less.json"
    file.write_text(policy("iam:ListUsers"))
    admin.configure("shellvault_policy = less.json")
    assert tried(admin) == READS_ONLY
    file.write_text(policy("s3:*"))
    assert tried(admin) == NEITHER
    assert tried(admin, "--read-only") == READS_ONLY
    file.unlink()
    assert "less.json' cannot be read" in admin.home.fail("exec", "admin", "--", "true")


@by_the_agent
def test_the_aws_cli_is_refused_what_it_would_write(admin: Person) -> None:
    aws = str(need("aws-cli-2"))
    listed = admin.home.succeed("exec", "--read-only", "admin", "--", aws, "iam", "list-users")
    assert json.loads(listed)["Users"]
    refused = admin.home.shellvault(
        "exec", "--read-only", "admin", "--", aws, "iam", "create-user", "--user-name", f"{admin.user}-cli"
    )
    assert refused.returncode != 0
    assert "AccessDenied" in refused.stderr


@by_the_agent
@pytest.mark.parametrize("shell", SHELLS)
def test_an_open_shell_is_read_only(admin: Person, shell: str) -> None:
    (admin.home.path / "try.py").write_text(TRY)
    call = "& " if shell == "powershell" else ""
    attempt = f"{call}'{sys.executable}' '{admin.home.path}/try.py' {admin.user}-{shell}"
    result = script(
        admin, shell, ENTER[shell].format("--read-only admin"), attempt, ENTER[shell].format("admin"), attempt
    )
    assert result.stdout.replace("\r", "") == READS_ONLY + READS_AND_WRITES, result.stderr


@by_the_agent
@pytest.mark.parametrize("options", [["--read-only"], ["-n", "--read-only"]], ids=" ".join)
def test_what_cannot_be_narrowed_is_refused_with_the_reason(person: Person, options: list[str]) -> None:
    message = person.home.fail("exec", *options, "work", "--", "true")
    assert (
        "--read-only: the session of work cannot be narrowed, since AWS takes no session policy with"
        in message
    )
    assert person.front.calls == []


@by_the_agent
def test_a_role_that_is_asked_of_the_endpoint_is_no_wider(admin: Person) -> None:
    inner = admin.role("inner", trusts=f"role/{admin.user}-admin")
    file = admin.home.path / "less.json"
    file.write_text(policy("iam:ListUsers", "sts:AssumeRole"))
    program = (sys.executable, "-c", ASK_FOR_A_ROLE + TRY, f"{admin.user}-endpoint", inner)
    tried = admin.home.succeed("exec", "--server", "--policy", str(file), "admin", "--", *program)
    assert tried == READS_ONLY
