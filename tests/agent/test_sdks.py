"""The real worker, an emulated AWS that checks signatures, and an SDK that outlives its sessions."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest

from shellvault.client import agent as client
from shellvault.fastlane import request
from tests.agent.conftest import Person as Prompter
from tests.end_to_end.conftest import Person, settle
from tests.support.emulator import Aws
from tests.support.home import Home
from tests.support.sts_front import StsFront

#: Seconds that each session of this test lives.
LIFE = 6


def who_is_there(aws: Aws, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """Asks for the caller's ARN as a program that was started with these variables and knows nothing else."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    client = boto3.Session(region_name="us-east-1").client("sts", endpoint_url=aws.endpoint)
    return lambda: str(client.get_caller_identity()["Arn"])


@pytest.fixture
def person(home: Home, aws: Aws, front: StsFront) -> Person:
    """A person whose commands use the agent, started with the vault's passphrase known to it."""
    del home.environment["SHELLVAULT_NO_AGENT"]
    return settle(home, aws, front)


def opened(person: Person, profile: str) -> dict[str, str]:
    """The variables of a container endpoint for this process."""
    environment = person.home.environment
    line = request.encode(profile, {}, environment, "/")
    client.obtain(
        line, "exec", Prompter([environment["SHELLVAULT_FILE_PASSPHRASE"]]), environment, waits_for=print
    )
    return client.open_endpoint(line, os.getpid(), environment)


@pytest.mark.real
def test_boto3_runs_across_the_end_of_its_sessions(
    person: Person, aws: Aws, front: StsFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = person.role("short")
    person.configure(f"[profile short]\nrole_arn = {role}\nsource_profile = work\nduration_seconds = {LIFE}")
    ask = who_is_there(aws, opened(person, "short"), monkeypatch)
    start = time.monotonic()
    while time.monotonic() - start < 2.5 * LIFE:
        assert f":assumed-role/{role.rpartition('/')[2]}/" in ask()
        time.sleep(0.2)
    assert front.calls.count("AssumeRole") >= 3


@pytest.mark.real
def test_boto3_gets_a_role_by_its_arn(person: Person, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    role = person.role("other")
    variables = opened(person, "work")
    uri = variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"].replace("/credentials", f"/role-arn/{role}")
    ask = who_is_there(aws, variables | {"AWS_CONTAINER_CREDENTIALS_FULL_URI": uri}, monkeypatch)
    assert f":assumed-role/{role.rpartition('/')[2]}/" in ask()


@pytest.mark.real
def test_a_file_vault_stays_open_across_workers_until_locked(person: Person) -> None:
    environment = person.home.environment
    prompter = Prompter([environment["SHELLVAULT_FILE_PASSPHRASE"]])
    line = request.encode("work", {}, environment, "/")
    client.lock(environment)
    first = client.obtain(line, "json", prompter, environment, waits_for=print)
    before = client.status(environment)
    assert before
    assert list(before["unlocked"]) == [
        str(Path(environment["XDG_DATA_HOME"], "shellvault/vault.shellvault"))
    ]
    os.kill(before["workers"][0], 9)
    assert client.obtain(line, "env", prompter, environment, waits_for=print)
    assert client.obtain(line, "json", prompter, environment, waits_for=print) == first
    assert len(prompter.questions) == 1
    client.lock(environment)
    prompter.answers = [environment["SHELLVAULT_FILE_PASSPHRASE"]]
    assert client.obtain(line, "json", prompter, environment, waits_for=print) == first
    assert len(prompter.questions) == 2
    assert person.front.calls.count("GetSessionToken") == 1
