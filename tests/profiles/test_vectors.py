"""AWS's own test vectors for all SDKs, where they are at hand; `test_parse` has cases of ours for the same rules."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from shellvault.errors import ConfigError
from shellvault.plan import Options, Step, build
from shellvault.plan.steps import AssumeRole, Source, SsoRole, StoredKeys, WebIdentity
from shellvault.profiles.parse import ConfigFile, parse
from shellvault.profiles.resolve import Overrides, resolve

VECTORS = Path(__file__).resolve().parents[3] / "shared" / "vectors"

_NO_CREDENTIALS_FILE = "the credentials file holds plain-text keys, and is never read"
NOT_FOR_US = {
    "Profile names support alphanumeric characters and - / . % @ _ : +":
        "the AWS CLI and boto3 read any name: so do we",
    "Property definitions must contain an equals sign.":
        "the AWS CLI and boto3 read a colon too: so do we",
    "Profiles duplicated in multiple files are merged.": _NO_CREDENTIALS_FILE,
    "Default profiles with mixed prefixes merge with credentials": _NO_CREDENTIALS_FILE,
    "Duplicate properties between files uses credentials property.": _NO_CREDENTIALS_FILE,
    "Credentials profiles with prefix are ignored.": _NO_CREDENTIALS_FILE,
    "profile name with extra whitespace in credentials": _NO_CREDENTIALS_FILE,
    "sso-session without the space before the name is a profile": _NO_CREDENTIALS_FILE,
    "chained assume role profiles with static credentials (ignore assume role when static credentials present)":
        "the keys of a profile that has a source_profile cannot be stored: `add` names the one they belong to",
    "SSO token profile selected": "a token without an account and a role gives no credentials",
}  # fmt: skip


def vectors(name: str) -> list[Any]:
    path = VECTORS / name
    if not path.exists():
        return [
            pytest.param({}, marks=pytest.mark.skip(reason="AWS's vectors are not next to this checkout"))
        ]
    data = json.loads(path.read_text())
    found = data["tests"] if isinstance(data, dict) else data
    return [pytest.param(vector, id=title(vector)) for vector in found if title(vector) not in NOT_FOR_US]


def title(vector: Mapping[str, Any]) -> str:
    return str(vector.get("name") or vector["docs"])


@pytest.mark.skipif(not VECTORS.exists(), reason="AWS's vectors are not next to this checkout")
def test_what_is_left_out_is_there() -> None:
    parser, roles = (
        json.loads((VECTORS / f"{name}-tests.json").read_text()) for name in ("profile-parser", "assume-role")
    )
    assert set(NOT_FOR_US) <= {title(vector) for vector in (*parser["tests"], *roles)}


# What a file says


@pytest.mark.parametrize("vector", vectors("profile-parser-tests.json"))
def test_a_file_says_what_it_says_to_the_sdks(vector: Mapping[str, Any]) -> None:
    config = parse(vector["input"]["configFile"].encode(), Path("config"))
    problems = [section.problem for section in config.profiles.values() if section.problem]
    if "errorContaining" in vector["output"]:
        # What stands in no profile costs none.
        assert problems or (not config.profiles and config.remarks())
        return
    expected = vector["output"]["config"]
    assert problems == []
    assert plain(config) == (expected["profiles"], expected.get("sso_sessions", {}))


def plain(config: ConfigFile) -> tuple[Any, Any]:
    def text(value: Any) -> str:
        if isinstance(value, str):
            return value
        return "".join(f"\n{key} = {item}".rstrip() for key, item in value.items())

    return tuple(  # type: ignore[return-value]
        {name: {key: text(value) for key, value in section.values.items()} for name, section in group.items()}
        for group in (config.profiles, config.sso_sessions)
    )


# What a profile's credentials come from


@pytest.mark.parametrize("vector", vectors("assume-role-tests.json"))
def test_a_profile_takes_the_steps_that_the_sdks_take(vector: Mapping[str, Any]) -> None:
    if "Error" in vector["output"]:
        with pytest.raises(ConfigError):
            steps(vector["input"])
        return
    expected = lengthened(vector["output"]["ProfileChain"])
    for found in expected:
        if "AccessKey" in found:  # what is secret is in the vault
            found["AccessKey"] = {"access_key_id": found["AccessKey"]["access_key_id"]}
    # The sign-in below a role of IAM Identity Center is no credentials.
    found_steps = [step for step in steps(vector["input"]) if step.call != "sso-sign-in"]
    assert [seen(step) for step in found_steps] == expected


def lengthened(value: Any) -> Any:
    """The vector with account ids and ARNs that are some: AWS's own are shorter."""
    text = (
        json.dumps(value).replace("123456789:role", "123456789012:role").replace('"0123"', '"012345678901"')
    )
    return json.loads(text.replace("arn:foo", "arn:aws:iam::123456789012:role/foo"))


def steps(given: Mapping[str, Any]) -> tuple[Step, ...]:
    """The plan, where keys of the file have been stored as `add` would have it."""
    kinds = (("profile", given["profiles"]), ("sso-session", given.get("sso_sessions", {})))
    sections = [(f"{kind} {name}", keys) for kind, group in kinds for name, keys in lengthened(group).items()]
    text = "".join(
        f"[{header}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())
        for header, keys in sections
    )
    stored = {
        name: keys["aws_access_key_id"]
        for name, keys in given["profiles"].items()
        if {"aws_access_key_id", "aws_secret_access_key"} <= set(keys)
        and keys.get("source_profile", name) == name
    }
    profile = resolve(parse(text.encode(), Path("config")), given["selected_profile"], Overrides())
    return build(profile, stored, Options(no_session=True)).steps


def seen(step: Step) -> dict[str, Any]:
    """A step as the vectors write it."""
    if isinstance(step, SsoRole):
        shown = {"sso_account_id": step.sso.account_id, "sso_region": step.sso.region}
        return {"Sso": {**shown, "sso_role_name": step.sso.role_name, "sso_start_url": step.sso.start_url}}
    if isinstance(step, Source):
        return {"NamedSource": step.source}
    if isinstance(step, StoredKeys):
        return {"AccessKey": {"access_key_id": step.access_key_id}}
    assert isinstance(step, AssumeRole | WebIdentity)
    role = {"role_arn": step.role_arn, "role_session_name": step.session_name}
    if isinstance(step, WebIdentity):
        kind, details = "WebIdentityToken", role | {"web_identity_token_file": step.token_file}
    else:
        kind, details = "AssumeRole", role | {"external_id": step.external_id}
    return {kind: {key: value for key, value in details.items() if value}}
