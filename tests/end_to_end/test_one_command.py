"""`exec` and `export`: a session for one command, against an AWS that checks signatures and policies."""

import json
import sys
import time

import pytest

from tests.end_to_end.conftest import Person
from tests.support.clients import need
from tests.support.emulator import ACCOUNT, Keys
from tests.support.home import PASSPHRASE

pytestmark = pytest.mark.real

WHO_AM_I = (sys.executable, "-c", "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])")
FEDERATION = (
    "sts",
    "get-federation-token",
    "--name",
    "app",
    "--query",
    "FederatedUser.Arn",
    "--output",
    "text",
)


def session_keys(person: Person, *arguments: str) -> Keys:
    """The session that `export --format json` prints for a `credential_process`."""
    document = json.loads(person.home.succeed("export", "--format", "json", *arguments))
    assert document["Version"] == 1
    return Keys(document["AccessKeyId"], document["SecretAccessKey"], document["SessionToken"])


def test_boto3_runs_with_the_session(person: Person) -> None:
    assert person.home.succeed("exec", "work", "--", *WHO_AM_I) == f"{person.arn}\n"
    assert person.front.calls == ["GetSessionToken", "GetCallerIdentity"]


@pytest.mark.parametrize("version", ["aws-cli-1", "aws-cli-2"])
def test_the_aws_cli_runs_with_the_session(person: Person, version: str) -> None:
    aws = str(need(version))
    printed = person.home.succeed("exec", "work", "--", aws, "sts", "get-caller-identity", "--output", "json")
    assert json.loads(printed)["Arn"] == person.arn


def test_the_aws_cli_runs_shellvault_as_its_credential_process(person: Person) -> None:
    process = "credential_process = shellvault export guarded --format json"
    person.configure(f"[profile sdk]\n{process}\nregion = eu-central-1\nendpoint_url = {person.aws.endpoint}")
    aws = str(need("aws-cli-2"))
    result = person.home.run(aws, "sts", "get-caller-identity", "--output", "json", AWS_PROFILE="sdk")
    assert json.loads(result.stdout)["Arn"] == person.arn, result.stderr


def test_long_term_keys_may_ask_for_a_federation_token(person: Person) -> None:
    aws = str(need("aws-cli-2"))
    printed = person.home.succeed("exec", "work", "--no-session", "--", aws, *FEDERATION)
    assert printed == f"arn:aws:sts::{ACCOUNT}:federated-user/app\n"


def test_a_session_may_not_ask_for_a_federation_token(person: Person) -> None:
    # AWS words it as the emulator does: no session may call it, whatever the user may do.
    result = person.home.shellvault("exec", "work", "--", str(need("aws-cli-2")), *FEDERATION)
    assert result.returncode == 254
    assert "AccessDenied" in result.stderr


def test_a_chained_role_is_assumed_from_the_role_before_it(person: Person) -> None:
    first = person.role("first")
    second = person.role("second", trusts=f"role/{person.user}-first")
    person.configure(f"[profile first]\nsource_profile = work\nrole_arn = {first}")
    person.configure(
        f"[profile second]\nsource_profile = first\nrole_arn = {second}\nrole_session_name = nightly"
    )
    keys = session_keys(person, "second")
    assert person.aws.identity(keys).endswith(f"assumed-role/{person.user}-second/nightly")
    assert person.front.calls.count("AssumeRole") == 2


def test_aws_s_refusal_names_the_profile_and_the_call(person: Person) -> None:
    missing = f"arn:aws:iam::{ACCOUNT}:role/none"
    person.configure(f"[profile barred]\nsource_profile = work\nrole_arn = {missing}")
    message = person.home.fail("exec", "barred", "--", "true")
    assert "AssumeRole" in message
    assert missing in message


def test_an_expired_session_is_replaced(person: Person) -> None:
    person.front.lifetime = 6
    again = ("guarded", "--min-remaining", "1s")
    first = session_keys(person, *again)
    assert session_keys(person, *again) == first
    assert person.front.calls == ["GetSessionToken"]
    time.sleep(6)
    with pytest.raises(Exception, match="expired"):
        person.aws.identity(first)
    second = session_keys(person, *again)
    assert second != first
    assert person.aws.identity(second) == person.arn
    assert person.front.calls.count("GetSessionToken") == 2


def test_fresh_asks_for_a_new_session(person: Person) -> None:
    first = session_keys(person, "guarded")
    assert session_keys(person, "guarded", "--fresh") != first


def test_twenty_commands_at_once_make_one_call(person: Person) -> None:
    person.front.delay = 0.5
    command = ("shellvault", "exec", "guarded", "--", "printenv", "AWS_ACCESS_KEY_ID")
    started = [person.home.start(*command) for _ in range(20)]
    results = [(*each.communicate(timeout=110), each.returncode) for each in started]
    assert [status for _, _, status in results] == [0] * 20, [error for _, error, _ in results]
    assert len({printed for printed, _, _ in results}) == 1
    assert person.front.calls == ["GetSessionToken"]


def test_the_command_takes_the_place_of_shellvault(person: Person) -> None:
    command = person.home.start("shellvault", "exec", "work", "--", "sh", "-c", "echo $$; exit 7")
    printed, _ = command.communicate(timeout=60)
    assert (int(printed), command.returncode) == (command.pid, 7)


def test_the_child_reads_standard_input(person: Person) -> None:
    assert person.home.shellvault("exec", "work", "--", "cat", input="a\nb").stdout == "a\nb"


def test_no_passphrase_reaches_the_child(person: Person) -> None:
    person.home.environment["AWS_VAULT_FILE_PASSPHRASE"] = "another"
    assert "PASSPHRASE" not in person.home.succeed("exec", "work", "--", "env")


def test_exec_inside_exec_switches(person: Person) -> None:
    inner = f"SHELLVAULT_FILE_PASSPHRASE='{PASSPHRASE}' shellvault exec guarded -- printenv AWS_VAULT"
    assert person.home.succeed("exec", "work", "--", "sh", "-c", inner) == "guarded\n"


@pytest.mark.parametrize(("command", "status"), [("no-such-command", 127), ("./plain-file", 126)])
def test_a_command_that_cannot_run_ends_as_in_a_shell(person: Person, command: str, status: int) -> None:
    (person.home.path / "plain-file").write_text("text")
    assert command in person.home.fail("exec", "work", "--", command, status=status)


def test_a_command_ended_by_a_closed_pipe_ends_by_the_signal(person: Person) -> None:
    script = "set -o pipefail; shellvault exec work -- yes | head -n 1; echo ${PIPESTATUS[0]}"
    assert person.home.run("bash", "-c", script).stdout == "y\n141\n"


def test_a_command_finds_the_profiles_own_variables(person: Person) -> None:
    person.configure(
        "[profile web]\nsource_profile = work\nshellvault_env = DEPLOY_TO='two words' TF_VAR_team=web"
    )
    show = ("sh", "-c", "echo $AWS_VAULT:$DEPLOY_TO:$TF_VAR_team:$OTHER")
    home = person.home
    assert home.succeed("exec", "web", "--", *show) == "web:two words:web:\n"
    assert home.succeed("exec", "work", "--", *show) == "work:::\n"
    assert "DEPLOY_TO" not in home.succeed("export", "web")
    assert "DEPLOY_TO" in home.succeed("config", "web")
    if "SHELLVAULT_NO_AGENT" not in home.environment:
        assert home.succeed("exec", "web", "--server", "--", *show) == "web:two words:web:\n"
        # Within another session, its own are gone.
        inner = ("shellvault", "exec", "work", "--", *show)
        nested = home.run("shellvault", "exec", "web", "--", *inner, OTHER="x")
        assert nested.stdout == "work:::x\n"
