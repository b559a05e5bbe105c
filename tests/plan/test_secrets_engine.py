"""`shellvault_vault_role`: what the plan is for a profile with credentials from Vault's AWS secrets engine."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from shellvault.errors import ConfigError
from shellvault.plan import Options, build, describe, to_json
from shellvault.profiles.model import EngineServer, Narrowing, Profile, SecretsEngine
from shellvault.profiles.parse import parse
from shellvault.profiles.resolve import Overrides, resolve
from tests.plan.profiles import calls, lasting, plan_of

SERVER = EngineServer("https://vault.example:8200")
deploy = Profile("deploy", True, engine=SecretsEngine("deploy", server=SERVER))
above = Profile("above", True, deploy, role_arn="arn:aws:iam::222222222222:role/Above")

VAULT = {"VAULT_ADDR": "https://vault.example:8200/"}


def resolved(text: str, name: str = "work", **variables: str) -> Profile:
    return resolve(parse(text.encode(), Path("config")), name, Overrides(environment=variables))


def fingerprint(profile: Profile) -> str:
    return plan_of(profile).steps[0].fingerprint


def test_the_credentials_are_one_step_without_a_code() -> None:
    plan = plan_of(deploy)
    assert calls(plan) == ["secrets-engine"]
    assert plan.mfa_prompts == 0
    assert plan.steps[0].cache == "memory"


def test_a_role_is_assumed_on_top_for_an_hour_at_most() -> None:
    plan = plan_of(lasting(7200, above))
    assert calls(plan) == ["secrets-engine", "assume-role"]
    assert plan.steps[0].duration == 7200
    assert plan.steps[1].duration == 3600


def test_a_role_on_top_is_assumed_too() -> None:
    assert calls(plan_of(replace(deploy, role_arn=above.role_arn))) == ["secrets-engine", "assume-role"]


def test_it_comes_before_the_credential_process_of_others() -> None:
    assert calls(plan_of(replace(deploy, credential_process="shellvault export deploy"))) == [
        "secrets-engine"
    ]


def test_stored_keys_come_before_it_and_that_is_said() -> None:
    plan = build(deploy, {"deploy": "AKIADEPLOY0000000000"}, Options())
    assert plan.steps[0].call == "stored-keys"
    assert any("the stored keys of deploy are used" in note for note in plan.notes)


def test_it_cannot_be_narrowed_but_a_role_on_top_can() -> None:
    narrow = Narrowing(read_only=True, where="--read-only")
    with pytest.raises(ConfigError, match=r"--read-only: .*cannot be narrowed, since the Vault role decides"):
        plan_of(replace(deploy, narrowing=narrow))
    assert plan_of(replace(above, narrowing=narrow)).steps[-1].policy_arns


def test_without_an_address_it_says_what_to_set() -> None:
    with pytest.raises(ConfigError, match=r"VAULT_ADDR is not set: `export VAULT_ADDR="):
        plan_of(resolved("[profile work]\nshellvault_vault_role = deploy\n"))


def test_plain_http_goes_to_this_machine_alone() -> None:
    away = replace(deploy, engine=SecretsEngine("deploy", server=EngineServer("http://vault.example:8200")))
    with pytest.raises(ConfigError, match=r"without encryption: correct VAULT_ADDR, or allow it"):
        plan_of(away)
    assert plan_of(away, insecure_endpoint=True)
    assert plan_of(replace(deploy, engine=SecretsEngine("a", server=EngineServer("http://127.0.0.1:8200"))))


def test_a_certificate_that_is_not_checked_is_said() -> None:
    server = replace(SERVER, skip_verify=True)
    plan = plan_of(replace(deploy, engine=SecretsEngine("deploy", server=server)))
    assert (
        "VAULT_SKIP_VERIFY is set: any server that answers at VAULT_ADDR gets the Vault token" in plan.notes
    )


def test_what_changes_the_answer_is_another_session() -> None:
    engines = [
        SecretsEngine("deploy", server=SERVER),
        SecretsEngine("other", server=SERVER),
        SecretsEngine("deploy", "team/aws", server=SERVER),
        SecretsEngine("deploy", endpoint="sts", server=SERVER),
        SecretsEngine("deploy", server=replace(SERVER, address="https://other.example")),
        SecretsEngine("deploy", server=replace(SERVER, namespace="ops")),
        SecretsEngine("deploy", server=replace(SERVER, skip_verify=True)),
    ]
    found = [fingerprint(replace(deploy, engine=engine)) for engine in engines]
    found.append(fingerprint(lasting(1800, deploy)))
    assert len(set(found)) == len(found)
    assert fingerprint(replace(deploy, name="another-name", region="eu-west-1")) == found[0]


def test_why_names_the_path_and_the_server() -> None:
    shown = describe(plan_of(above))
    assert (
        "secrets-engine (deploy), aws/creds/deploy, asks https://vault.example:8200, kept in memory" in shown
    )
    first = to_json(plan_of(deploy))["steps"][0]
    assert first["vault_path"] == "aws/creds/deploy"
    assert first["endpoint_url"] == "https://vault.example:8200"
    assert json.dumps(first)


def test_vaults_own_variables_describe_the_server() -> None:
    role = "[profile work]\nshellvault_vault_role = a@b.c\n"
    text = f"{role}shellvault_vault_mount = team/aws/\nshellvault_vault_endpoint = sts\n"
    variables = {
        "VAULT_NAMESPACE": "ops/eu/",
        "VAULT_CAPATH": "/b",
        "VAULT_CACERT": "/a.pem",
        "VAULT_SKIP_VERIFY": "T",
    }
    engine = resolved(text, **VAULT, **variables).engine
    server = EngineServer("https://vault.example:8200", "ops/eu", "/a.pem", skip_verify=True)
    assert engine == SecretsEngine("a@b.c", "team/aws", "sts", server)


@pytest.mark.parametrize(
    ("line", "variables", "said"),
    [
        ("shellvault_vault_role = ../sys", {}, "config:2: shellvault_vault_role"),
        ("shellvault_vault_role = a/b", {}, "config:2: shellvault_vault_role"),
        (
            "shellvault_vault_role = a\nshellvault_vault_mount = a/../sys",
            {},
            "config:3: shellvault_vault_mount",
        ),
        ("shellvault_vault_role = a\nshellvault_vault_mount = /a", {}, "config:3: shellvault_vault_mount"),
        ("shellvault_vault_role = a\nshellvault_vault_endpoint = roles", {}, "neither `creds` nor `sts`"),
        ("shellvault_vault_role = a", {"VAULT_ADDR": "unix:///run/vault"}, "VAULT_ADDR: .*is not an address"),
        (
            "shellvault_vault_role = a",
            {**VAULT, "VAULT_SKIP_VERIFY": "yes"},
            "VAULT_SKIP_VERIFY: 'yes' is neither",
        ),
        ("shellvault_vault_role = a", {**VAULT, "VAULT_NAMESPACE": "a b"}, "VAULT_NAMESPACE"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(line: str, variables: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        resolved(f"[profile work]\n{line}\n", **variables)


def test_the_default_profiles_role_is_its_own() -> None:
    default = "[default]\nshellvault_vault_role = a\nshellvault_vault_mount = team\n"
    text = f"{default}[profile work]\n[profile b]\nshellvault_vault_role = b\n"
    assert resolved(text, **VAULT).engine is None
    engine = resolved(text, "b", **VAULT).engine
    assert engine and engine.mount == "team"


def test_vaults_variables_change_nothing_for_other_profiles() -> None:
    assert resolved("[profile work]\n", VAULT_ADDR="nonsense", VAULT_SKIP_VERIFY="?").engine is None
