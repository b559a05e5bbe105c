"""A day with Vault: the installed command, the real agent, real shells, and the real hvac against an emulated engine.

The engine is a stand-in (tests/support/secrets_engine.py); the AWS that its credentials are for checks signatures.
"""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import psutil
import pytest
from botocore.exceptions import ClientError

from tests.end_to_end.conftest import Person, settle
from tests.end_to_end.test_kept_fresh import INIT, environment, keys_after
from tests.support.clients import need
from tests.support.emulator import ACCOUNT, Aws, Keys
from tests.support.home import Home
from tests.support.secrets_engine import ROOT_TOKEN, Engine, Role, serving
from tests.support.sts_front import StsFront
from tests.support.terminal import PROGRAMS, SHELLS, Terminal

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


def test_every_kind_of_leased_keys_is_good_at_aws(tenant: Person, engine: Engine) -> None:
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


def test_an_expired_token_differs_from_one_without_the_right(tenant: Person, engine: Engine) -> None:
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


def test_a_token_goes_to_its_own_address_alone(resident: Person, engine: Engine) -> None:
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


def test_neither_agent_nor_worker_exposes_the_token(resident: Person, engine: Engine) -> None:
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


def test_a_worker_killed_during_a_call_leaves_nothing_locked(resident: Person, engine: Engine) -> None:
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


def in_bash(person: Person, *lines: str) -> subprocess.CompletedProcess[str]:
    done = person.home.run("bash", "--norc", "-c", "\n".join(lines), timeout=100)
    assert "Traceback" not in done.stderr
    return done


ENTER, LEAVE = 'eval "$(shellvault env deploy)"', 'eval "$(shellvault env --leave)"'


def refused(person: Person, keys: Keys) -> bool:
    try:
        person.aws.identity(keys)
    except ClientError:
        return True
    return False


def in_time(condition: Callable[[], object], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


@pytest.mark.parametrize("shell", SHELLS)
def test_leaving_the_last_shell_revokes_the_lease(resident: Person, engine: Engine, shell: str) -> None:
    flags = {"bash": "--norc", "zsh": "-f", "fish": "--no-config", "powershell": "-NoProfile"}
    piped = {"fish": "shellvault env {} | source", "powershell": "shellvault env {} | Out-String | iex"}
    enter = piped.get(shell, 'eval "$(shellvault env {})"')
    shown = "$env:SHELLVAULT_LEASED" if shell == "powershell" else '"$SHELLVAULT_LEASED"'
    lines = [enter.format("deploy"), f"echo {shown}", enter.format("--leave"), f"echo after {shown}"]
    flag = "-Command" if shell == "powershell" else "-c"
    done = resident.home.run(str(need(PROGRAMS[shell])), flags[shell], flag, "\n".join(lines), timeout=100)
    assert done.stdout.split() == ["1", "after"], done.stderr
    assert len(engine.revoked) == 1
    assert engine.leases == {}


@pytest.mark.parametrize("kept", ["agent", "vault"])
def test_the_keys_are_dead_then_and_the_next_command_gets_others(
    resident: Person, engine: Engine, kept: str
) -> None:
    resident.home.environment["SHELLVAULT_SESSION_BACKEND"] = kept
    done = in_bash(resident, ENTER, "echo $AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY", LEAVE)
    assert refused(resident, Keys(*done.stdout.split()))
    assert arn(resident, exported(resident, "deploy"))
    assert engine.count("aws/creds/deploy") == 2


def test_a_shell_or_a_program_that_still_has_it_keeps_it(resident: Person, engine: Engine) -> None:
    person = resident
    done = in_bash(
        person, "bash -c '" + ENTER.replace('"$', '"\\$') + "; sleep 60' & sleep 4", ENTER, LEAVE, "kill %1"
    )
    assert engine.revoked == [], done.stderr
    with person.home.start("shellvault", "exec", "deploy", "--", "sleep", "60") as program:
        assert in_time(lambda: psutil.Process(program.pid).name() == "sleep")
        in_bash(person, ENTER, LEAVE)
        assert engine.revoked == []
        program.kill()
    in_bash(person, ENTER, LEAVE)
    assert len(engine.revoked) == 1


def test_a_programs_credential_process_is_left_to_it(resident: Person, engine: Engine) -> None:
    credentials = exported(resident, "deploy")
    in_bash(resident, ENTER, LEAVE)
    assert engine.revoked == []
    assert arn(resident, credentials)


def test_clear_revokes_and_says_what_cannot_be(resident: Person, engine: Engine) -> None:
    deploy, session = exported(resident, "deploy"), exported(resident, "session")
    said = resident.home.shellvault("clear").stderr
    assert refused(resident, Keys(deploy["AccessKeyId"], deploy["SecretAccessKey"]))
    assert "the credentials of session from Vault stay good for" in said
    assert "AWS takes no session of STS back" in said
    assert arn(resident, session)
    assert len(engine.revoked) == 1


def test_clear_of_one_profile_leaves_the_leases_of_others(resident: Person, engine: Engine) -> None:
    credentials = exported(resident, "deploy")
    assert resident.home.succeed("exec", "work", "--", "true") == ""
    resident.home.succeed("clear", "work")
    assert engine.revoked == []
    assert arn(resident, credentials)
    # Known all the same after the agent has started again.
    resident.home.succeed("clear")
    assert len(engine.revoked) == 1


@pytest.mark.parametrize("way", ["stop", "signal"])
def test_the_end_of_the_agent_revokes(resident: Person, engine: Engine, way: str) -> None:
    assert exported(resident, "deploy")
    if way == "stop":
        resident.home.succeed("agent", "stop")
    else:
        agent = psutil.Process(json.loads(resident.home.succeed("agent", "status", "--json"))["pid"])
        agent.terminate()
        agent.wait(20)
    assert len(engine.revoked) == 1


def test_vault_token_of_the_shell_that_leaves_revokes_too(resident: Person, engine: Engine) -> None:
    (resident.home.path / ".vault-token").unlink()
    resident.home.environment["VAULT_TOKEN"] = ROOT_TOKEN
    assert in_bash(resident, ENTER, LEAVE).stderr == ""
    assert len(engine.revoked) == 1


def test_a_token_that_may_not_revoke_is_said_at_once_and_later(resident: Person, engine: Engine) -> None:
    engine.tokens = {ROOT_TOKEN: {"aws/", "sys/leases/renew"}}
    said = in_bash(resident, ENTER, LEAVE).stderr
    assert re.search(r"the credentials of deploy from Vault stay good for 59m: .* sys/leases/revoke", said)
    assert "stay good for" in resident.home.succeed("agent", "status")


def test_a_hanging_vault_does_not_delay_leave(resident: Person, engine: Engine) -> None:
    assert resident.home.succeed("exec", "deploy", "--", "true") == ""
    engine.answers = lambda path: time.sleep(4) if path == "sys/leases/revoke" else None  # type: ignore[func-returns-value]
    done = in_bash(resident, ENTER, "date +%s.%N", LEAVE, "date +%s.%N")
    before, after = map(float, done.stdout.split())
    assert after - before < 5
    assert "Vault has not answered yet: the agent goes on with it" in done.stderr
    assert in_time(lambda: engine.revoked)


def test_without_the_agent_a_notice_says_nothing_is_revoked(resident: Person, engine: Engine) -> None:
    resident.home.environment["SHELLVAULT_NO_AGENT"] = "1"
    done = resident.home.shellvault("exec", "deploy", "--", "true")
    assert "these keys of Vault's are not revoked without the agent" in done.stderr


def test_the_endpoint_serves_keys_without_a_session_token(resident: Person, engine: Engine) -> None:
    aws = need("aws-cli-2")
    printed = resident.home.succeed(
        "exec", "--server", "deploy", "--", str(aws), "sts", "get-caller-identity", "--output", "json"
    )
    assert "user/vault-deploy-" in json.loads(printed)["Arn"]


@pytest.mark.parametrize("shell", SHELLS)
def test_an_open_shells_lease_is_renewed_with_the_same_keys(
    resident: Person, engine: Engine, shell: str
) -> None:
    engine.roles["deploy"].lease = 15
    need(PROGRAMS[shell])
    terminal = Terminal(shell, resident.home.path, INIT[shell] + "\n", resident.home.environment)
    try:
        terminal.run("shellvault use deploy")
        first = environment(terminal)
        assert in_time(
            lambda: environment(terminal)[b"SHELLVAULT_EXPIRES_AT"] != first[b"SHELLVAULT_EXPIRES_AT"], 30
        )
        second = environment(terminal)
        assert second[b"AWS_ACCESS_KEY_ID"] == first[b"AWS_ACCESS_KEY_ID"]
        assert engine.count("aws/creds/deploy") == 1
        terminal.run("shellvault leave")
        assert in_time(lambda: engine.revoked)
        assert b"SHELLVAULT_LEASED" not in environment(terminal)
    finally:
        terminal.close()


def test_a_lease_at_its_limit_is_replaced_by_new_keys(resident: Person, engine: Engine) -> None:
    engine.roles["deploy"] = Role(lease=15, lease_max=16)
    terminal = Terminal("bash", resident.home.path, INIT["bash"] + "\n", resident.home.environment)
    try:
        terminal.run("shellvault use deploy")
        first = environment(terminal)
        second = keys_after(terminal, first, 40)
        assert known(resident, second)
    finally:
        terminal.close()


def known(person: Person, found: dict[bytes, bytes]) -> bool:
    names = (b"AWS_ACCESS_KEY_ID", b"AWS_SECRET_ACCESS_KEY")
    return "user/vault-deploy-" in person.aws.identity(Keys(*(found[name].decode() for name in names)))


def test_new_keys_that_aws_does_not_know_yet_are_waited_for(resident: Person, engine: Engine) -> None:
    resident.front.refuses_unknown_keys = 2
    assert f"assumed-role/{resident.user}-above/" in arn(resident, exported(resident, "above"))


def test_a_token_in_a_variable_shows_needs_you(resident: Person, engine: Engine) -> None:
    (resident.home.path / ".vault-token").unlink()
    resident.home.environment["VAULT_TOKEN"] = ROOT_TOKEN
    engine.roles["deploy"].lease = 18
    terminal = Terminal("bash", resident.home.path, INIT["bash"] + "\n", resident.home.environment)
    try:
        terminal.run("shellvault use deploy")
        first = environment(terminal)[b"SHELLVAULT_EXPIRES_AT"]
        assert in_time(lambda: terminal.run("") or "needs you" in terminal.screen, 40)
        assert {headers.get("X-Vault-Token") for headers in engine.headers} == {ROOT_TOKEN}
        terminal.run("shellvault use deploy")
        assert environment(terminal)[b"SHELLVAULT_EXPIRES_AT"] > first
    finally:
        terminal.close()


def test_a_command_that_is_killed_leaves_nothing_locked(tenant: Person, engine: Engine) -> None:
    engine.delay = 20
    waiting = tenant.home.start("shellvault", "export", "--format", "json", "session")
    assert in_time(lambda: engine.asked)
    waiting.kill()
    waiting.communicate(timeout=20)
    engine.delay = 0
    # With the agent its worker still waits for the answer that the killed command had asked for, and shares it.
    assert exported(tenant, "session")["AccessKeyId"]


def test_the_list_to_choose_from_names_the_role_of_vault(resident: Person, engine: Engine) -> None:
    terminal = Terminal("bash", resident.home.path, INIT["bash"] + "\n", resident.home.environment)
    try:
        terminal.type("shellvault use")
        terminal.wait_for("Vault deploy")
        terminal.press("\x1b")
    finally:
        terminal.close()
