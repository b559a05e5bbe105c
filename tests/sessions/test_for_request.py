"""From a request line to a plan, and to a session that a helper process gives."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from shellvault.errors import ConfigError, UsageError
from shellvault.fastlane import request
from shellvault.sessions.cache import DirectCache
from shellvault.sessions.for_request import Acquired, acquire_for_request, parsed, plan_for_request
from shellvault.vault import StoredKeys
from tests.sessions.parts import MemoryVault, context, person

HELPER = """#!/bin/sh
test -n "$AWS_CONFIG_FILE" && env > "$(dirname "$AWS_CONFIG_FILE")/seen"
echo '{REPLY}'
"""
REPLY = {"Version": 1, "AccessKeyId": "AKIA1", "SecretAccessKey": "secret"}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    helper = tmp_path / "helper"
    helper.write_text(HELPER.replace("{REPLY}", json.dumps(REPLY)))
    helper.chmod(0o700)
    path = tmp_path / "config"
    path.write_text(
        "[default]\nregion = eu-west-1\n"
        f"[profile helped]\ncredential_process = {helper}\n"
        "[profile work]\nmfa_serial = arn:aws:iam::111111111111:mfa/work\n"
        "[profile home]\nsource_profile = work\nrole_arn = arn:aws:iam::222222222222:role/Home\n"
        "mfa_serial = arn:aws:iam::111111111111:mfa/work\n"
    )
    return path


def _line(config: Path, profile: str, options: Mapping[str, str] | None = None, **environment: str) -> str:
    environment |= {"AWS_CONFIG_FILE": str(config), "HOME": "/home/me"}
    return request.encode(profile, dict(options or {}), environment, "/")


def _acquire(line: str, folder: Path) -> Acquired:
    someone, vault = person(), MemoryVault()
    planned, cache = (
        plan_for_request(parsed(line), vault.stored_keys(), {}),
        DirectCache(vault, folder, someone),
    )
    return acquire_for_request(parsed(line), planned, vault, cache, someone, context(folder), "never")


def test_a_request_gives_a_session_and_what_it_came_from(config: Path, tmp_path: Path) -> None:
    acquired = _acquire(_line(config, "helped"), tmp_path)
    assert acquired.session.access_key_id == "AKIA1"
    assert (acquired.profile.name, acquired.profile.region) == ("helped", "eu-west-1")
    assert [step.call for step in acquired.plan.steps] == ["credential-process"]
    assert acquired.files == (config,)


def test_keys_replaced_meanwhile_are_planned_for_again(config: Path, tmp_path: Path) -> None:
    someone = person()
    vault = MemoryVault({"work": StoredKeys("AKIANEW", "new")}, outdated={"work": "AKIAOLD"})
    line = _line(config, "work", {"no-session": "1"})
    planned, cache = (
        plan_for_request(parsed(line), vault.stored_keys(), {}),
        DirectCache(vault, tmp_path, someone),
    )
    acquired = acquire_for_request(parsed(line), planned, vault, cache, someone, context(tmp_path), "never")
    assert acquired.session.access_key_id == acquired.plan.steps[0].access_key_id == "AKIANEW"


def test_a_helper_sees_the_environment_of_the_request(config: Path, tmp_path: Path) -> None:
    _acquire(_line(config, "helped", AWS_ENDPOINT_URL_STS="https://sts.example"), tmp_path)
    seen = dict(line.split("=", 1) for line in (tmp_path / "seen").read_text().splitlines())
    assert (seen["HOME"], seen["AWS_ENDPOINT_URL_STS"]) == ("/home/me", "https://sts.example")
    assert seen["SHELLVAULT_RESOLVING"] == "helped"


@pytest.mark.parametrize(
    ("options", "environment", "calls", "duration"),
    [
        ({}, {}, ["stored-keys", "get-session-token", "assume-role"], 3600),
        ({"duration": "2h"}, {}, ["stored-keys", "assume-role"], 7200),
        ({}, {"AWS_ASSUME_ROLE_TTL": "2h"}, ["stored-keys", "assume-role"], 7200),
        (
            {"duration": "30m"},
            {"AWS_ASSUME_ROLE_TTL": "2h"},
            ["stored-keys", "get-session-token", "assume-role"],
            1800,
        ),
        ({"no-session": "1"}, {}, ["stored-keys", "assume-role"], 3600),
    ],
)
def test_options_and_overrides_decide_the_plan(
    config: Path, options: dict[str, str], environment: dict[str, str], calls: list[str], duration: int
) -> None:
    profile, plan = plan_for_request(
        parsed(_line(config, "home", options, **environment)), {"work": "AKIAWORK"}, {}
    )
    assert profile.name == plan.profile == "home"
    assert [step.call for step in plan.steps] == calls
    assert plan.steps[-1].duration == duration


def test_the_region_of_the_command_line_beats_the_files(config: Path) -> None:
    line = _line(config, "work", {"region": "us-west-2"}, AWS_REGION="eu-north-1")
    profile, _ = plan_for_request(parsed(line), {"work": "AKIAWORK"}, {})
    assert (profile.region, profile.region_origin) == ("us-west-2", "flag")


def test_a_name_with_nothing_behind_it_is_an_error(config: Path) -> None:
    with pytest.raises(ConfigError, match="typo has neither a section in the config file nor stored keys"):
        plan_for_request(parsed(_line(config, "typo")), {"work": "AKIAWORK"}, {})


@pytest.mark.parametrize(
    "line", ["", "work", "work config", "work config=/c x=y", "work config=%", "w\tk config=/c"]
)
def test_what_is_no_request_is_an_error(line: str, tmp_path: Path) -> None:
    with pytest.raises((UsageError, ConfigError)):
        _acquire(line, tmp_path)
