"""A fingerprint changes with everything that decides a session, and with nothing else."""

from dataclasses import replace
from typing import Any

import pytest

from shellvault.plan import Options, build
from shellvault.profiles.model import Durations, Narrowing, Profile, Sso
from tests.plan.profiles import (
    HOUR,
    STORED,
    bar_role1,
    foo_admin,
    foo_readonly,
    jonsmith,
    last,
    plan_of,
    process,
    sso,
)


def _fingerprint(profile: Profile) -> str:
    return last(profile).fingerprint


@pytest.mark.parametrize(
    "changes",
    [
        {"role_arn": "arn:aws:iam::222222222222:role/Other"},
        {"durations": Durations(assume_role=1800)},
        {"external_id": "x"},
        {"role_session_name": "x"},
        {"source_identity": "x"},
        {"session_tags": (("a", "b"),)},
        {"session_tags": (("a", "b"),), "transitive_session_tags": ("a",)},
        {"endpoint_url": "https://sts.example"},
        {"sts_regional_endpoints": "legacy"},
        {"use_fips_endpoint": True},
        {"region": "us-east-1-fips"},
        {"service_endpoint_urls": {"sts": "https://sts.example"}},
        {"region": "cn-north-1"},
        {"mfa_serial": "arn:aws:iam::111111111111:mfa/jonsmith"},
        {"source": replace(jonsmith, name="other")},
        {"source": bar_role1},
        {"narrowing": Narrowing(read_only=True)},
        {"narrowing": Narrowing(policy='{"Statement":[]}')},
    ],
    ids=str,
)
def test_what_decides_a_role_session_changes_its_fingerprint(changes: dict[str, Any]) -> None:
    stored = STORED | {"other": "AKIAOTHER00000000000"}
    changed = build(replace(foo_readonly, **changes), stored, Options()).steps[-1]
    assert changed.fingerprint != _fingerprint(foo_readonly)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "another-name"},
        {"region": "eu-west-1"},
        {"use_dualstack_endpoint": True},
        {"service_endpoint_urls": {"iam": "https://iam.example"}},
        {"ca_bundle": "/bundle.pem"},
        {"mfa_process": "code-please"},
        {"notes": ("a note",)},
    ],
    ids=str,
)
def test_what_does_not_decide_a_role_session_leaves_it_alone(changes: dict[str, Any]) -> None:
    assert _fingerprint(replace(foo_readonly, **changes)) == _fingerprint(foo_readonly)


def test_profiles_of_the_same_keys_and_device_share_a_session() -> None:
    assert plan_of(foo_admin).steps[1].fingerprint == plan_of(bar_role1).steps[1].fingerprint


def test_the_same_key_under_another_name_shares_too() -> None:
    twin = replace(jonsmith, name="twin")
    shared = build(twin, {"twin": STORED["jonsmith"]}, Options()).steps[-1]
    assert shared.fingerprint == _fingerprint(jonsmith)


def test_replaced_keys_are_another_session() -> None:
    replaced = build(jonsmith, {"jonsmith": "AKIANEW0000000000000"}, Options()).steps[-1]
    assert replaced.fingerprint != _fingerprint(jonsmith)


def test_a_capped_request_is_the_session_that_it_gets() -> None:
    capped = replace(bar_role1, durations=Durations(assume_role=2 * HOUR))
    chained = replace(foo_readonly, source=capped, durations=Durations(assume_role=2 * HOUR))
    assert _fingerprint(chained) == _fingerprint(replace(chained, durations=Durations(assume_role=HOUR)))


@pytest.mark.parametrize("field", ["start_url", "region", "account_id", "role_name", "session_name"])
def test_every_part_of_an_sso_role_decides(field: str) -> None:
    settings = sso.sso or Sso("", "", None, None)
    assert _fingerprint(replace(sso, sso=replace(settings, **{field: "other"}))) != _fingerprint(sso)


def test_another_command_gives_another_session() -> None:
    assert _fingerprint(replace(process, credential_process="other")) != _fingerprint(process)
