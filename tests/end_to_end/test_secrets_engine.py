"""A day with Vault: the installed command, the real agent, real shells, and the real hvac against an emulated engine.

The engine is a stand-in (tests/support/secrets_engine.py); the AWS that its credentials are for checks signatures.
"""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest

from tests.end_to_end.conftest import Person, settle
from tests.support.emulator import ACCOUNT, Aws, Keys
from tests.support.home import Home
from tests.support.secrets_engine import ROOT_TOKEN, Engine, Role, serving
from tests.support.sts_front import StsFront

pytestmark = pytest.mark.real

CONFIG = """
[profile deploy]
shellvault_vault_role = deploy

[profile session]
shellvault_vault_role = session
shellvault_vault_endpoint = sts

[profile above]
source_profile = deploy
role_arn = {role}
"""


@pytest.fixture
def engine(aws: Aws) -> Iterator[Engine]:
    """An engine with a role of each kind, whose address and token are in the person's environment and home."""
    with serving(Engine(aws)) as running:
        yield running


def move_in(person: Person, engine: Engine) -> None:
    """Gives the person the profiles, the address, and the token as `vault login` leaves it."""
    role = person.aws.role(f"{person.user}-above", trusts="root")
    session = person.aws.role(f"{person.user}-session", trusts="root")
    engine.roles = {"deploy": Role(), "session": Role("assumed_role", role_arn=session)}
    person.configure(CONFIG.format(role=role))
    person.home.environment["VAULT_ADDR"] = engine.address
    token = person.home.path / ".vault-token"
    token.write_text(ROOT_TOKEN)
    token.chmod(0o600)


@pytest.fixture
def tenant(person: Person, engine: Engine) -> Person:
    """A person with a token, once without and once with the agent."""
    move_in(person, engine)
    return person


@pytest.fixture
def resident(home: Home, aws: Aws, front: StsFront, engine: Engine) -> Person:
    """The same with the agent alone."""
    del home.environment["SHELLVAULT_NO_AGENT"]
    person = settle(home, aws, front)
    move_in(person, engine)
    return person


def exported(person: Person, name: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(person.home.succeed("export", "--format", "json", name))
    return found


def arn(person: Person, credentials: dict[str, str]) -> str:
    keys = Keys(
        credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials.get("SessionToken") or None
    )
    return person.aws.identity(keys)


def test_keys_of_a_new_user_a_role_session_and_a_role_on_top_are_good_at_aws(
    tenant: Person, engine: Engine
) -> None:
    deploy, session, above = (exported(tenant, name) for name in ("deploy", "session", "above"))
    assert f"arn:aws:iam::{ACCOUNT}:user/vault-deploy-" in arn(tenant, deploy)
    assert f"assumed-role/{tenant.user}-session/vault-session-" in arn(tenant, session)
    assert f"assumed-role/{tenant.user}-above/" in arn(tenant, above)


def test_a_command_gets_them_in_its_environment(tenant: Person, engine: Engine) -> None:
    printed = tenant.home.succeed("exec", "session", "--", "sh", "-c", "echo $AWS_ACCESS_KEY_ID $AWS_VAULT")
    (lease,) = engine.leases.values()
    assert printed == f"{lease.keys.access_key_id} session\n"


def test_why_shows_where_they_come_from_without_asking(tenant: Person, engine: Engine) -> None:
    shown = tenant.home.succeed("why", "above")
    assert f"1. secrets-engine (deploy), aws/creds/deploy, asks {engine.address}, kept in memory" in shown
    assert engine.asked == []


@pytest.mark.parametrize("where", ["variable", "home"])
def test_a_token_is_found_where_vaults_own_command_finds_it(
    tenant: Person, engine: Engine, where: str
) -> None:
    if where == "variable":
        (tenant.home.path / ".vault-token").write_text("hvs.of-another-day")
        tenant.home.environment["VAULT_TOKEN"] = ROOT_TOKEN
    assert exported(tenant, "deploy")["AccessKeyId"]
    assert {headers["X-Vault-Token"] for headers in engine.headers} == {ROOT_TOKEN}


def test_without_a_token_it_says_what_to_do(tenant: Person, engine: Engine) -> None:
    (tenant.home.path / ".vault-token").unlink()
    said = tenant.home.fail("export", "--format", "json", "deploy")
    assert f"there is no Vault token for {engine.address}: run `vault login` (`bao login`)" in said
    assert engine.asked == []


def test_a_token_of_yesterday_is_told_from_one_without_the_right(tenant: Person, engine: Engine) -> None:
    engine.tokens = {ROOT_TOKEN: {"secret/"}}
    assert "ask for a policy that does" in tenant.home.fail("export", "--format", "json", "deploy")
    engine.tokens = {}
    said = tenant.home.fail("export", "--format", "json", "deploy")
    assert "does not take the token (expired or revoked): run `vault login`" in said
    assert ROOT_TOKEN not in said


def test_a_sealed_vault_and_a_missing_role_are_said_in_one_line(tenant: Person, engine: Engine) -> None:
    engine.roles = {}
    assert "check shellvault_vault_role" in tenant.home.fail("export", "--format", "json", "deploy")
    engine.is_sealed = True
    assert "is sealed" in tenant.home.fail("export", "--format", "json", "deploy")


def test_what_narrows_is_refused_before_anything_is_asked(tenant: Person, engine: Engine) -> None:
    said = tenant.home.fail("export", "--format", "json", "--read-only", "deploy")
    assert "cannot be narrowed" in said
    assert engine.asked == []


def test_plain_http_to_another_machine_is_refused(tenant: Person, engine: Engine) -> None:
    tenant.home.environment["VAULT_ADDR"] = "http://vault.example:8200"
    assert "without encryption: correct VAULT_ADDR" in tenant.home.fail("exec", "deploy", "--", "true")


def test_twenty_commands_at_once_share_one_lease(resident: Person, engine: Engine) -> None:
    engine.delay = 0.5
    started = [resident.home.start("shellvault", "export", "--format", "json", "deploy") for _ in range(20)]
    outputs = [process.communicate(timeout=60)[0] for process in started]
    assert len({json.loads(output)["AccessKeyId"] for output in outputs}) == 1
    assert engine.count("aws/creds/deploy") == 1


def test_another_address_or_namespace_is_another_session(resident: Person, engine: Engine) -> None:
    first = exported(resident, "deploy")
    with serving(Engine(resident.aws, roles={"deploy": Role()}, namespace="ops")) as other:
        resident.home.environment.update(VAULT_ADDR=other.address, VAULT_NAMESPACE="ops")
        assert exported(resident, "deploy")["AccessKeyId"] != first["AccessKeyId"]
        del resident.home.environment["VAULT_NAMESPACE"]
        resident.home.environment["VAULT_ADDR"] = engine.address
        assert exported(resident, "deploy")["AccessKeyId"] == first["AccessKeyId"]


def test_a_token_goes_nowhere_but_to_the_address_that_was_asked_with_it(
    resident: Person, engine: Engine
) -> None:
    other = Engine(resident.aws, roles={"deploy": Role()})
    with serving(other):
        line = (
            f"deploy VAULT_ADDR={other.address} config={resident.home.config_file} home={resident.home.path}"
        )
        resident.home.environment.update(VAULT_TOKEN=ROOT_TOKEN, SHELLVAULT_REQUEST=line)
        # A shell whose session came from elsewhere.
        resident.home.run("shellvault", "refresh", "bash", str(os.getpid()))
        time.sleep(2)
    assert other.asked == []


def test_neither_agent_nor_worker_has_the_token_in_its_environment_or_arguments(
    resident: Person, engine: Engine
) -> None:
    (resident.home.path / ".vault-token").unlink()
    resident.home.environment["VAULT_TOKEN"] = ROOT_TOKEN
    assert exported(resident, "deploy")
    status = json.loads(resident.home.succeed("agent", "status", "--json"))
    for pid in (status["pid"], *status["workers"]):
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            assert ROOT_TOKEN not in " ".join(process.cmdline())
            assert ROOT_TOKEN not in " ".join(process.environ().values())
    for file in resident.home.path.rglob("*"):
        assert not file.is_file() or ROOT_TOKEN.encode() not in file.read_bytes(), file


def test_a_worker_that_is_killed_while_vault_thinks_leaves_nothing_locked(
    resident: Person, engine: Engine
) -> None:
    engine.delay = 20
    waiting = resident.home.start("shellvault", "export", "--format", "json", "deploy")
    deadline = time.monotonic() + 30
    while not engine.asked and time.monotonic() < deadline:
        time.sleep(0.05)
    status = json.loads(resident.home.succeed("agent", "status", "--json"))
    engine.delay = 0
    for pid in status["workers"]:
        os.kill(pid, signal.SIGKILL)
    assert exported(resident, "deploy")["AccessKeyId"]
    waiting.communicate(timeout=60)
    assert waiting.returncode == 0
