"""What is odd in a config file: keys that were mistyped, sign-ins that AWS's tools refuse; noted at every door."""

import re
from pathlib import Path

import pytest
from botocore.configprovider import (
    BOTOCORE_DEFAUT_SESSION_VARIABLES,
    DEFAULT_PROXIES_CONFIG_VARS,
    DEFAULT_S3_CONFIG_VARS,
)

from shellvault.fastlane import sections
from shellvault.profiles import remarks
from shellvault.profiles.known_keys import READ, meant
from shellvault.profiles.parse import parse
from shellvault.profiles.settings import IDENTITY_KEYS
from tests.support.home import Home

ROOT = Path(__file__).resolve().parents[2]

#: Keys in the files of other people, as their tools document them.
OTHERS = (
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "aws_security_token",
    "aws_account_id",
    "cli_pager",
    "cli_auto_prompt",
    "cli_history",
    "cli_timestamp_format",
    "cli_binary_format",
    "cli_follow_urlparam",
    "color",
    "image",
    "role_name",
    "target_region",
    "target_role_name",
    "group",
    "granted_sso_start_url",
    "granted_sso_region",
    "granted_sso_account_id",
    "granted_sso_role_name",
    "granted_generated_from",
    "granted_sso_registration_scopes",
    "parent_profile",
    "role_duration",
    "expiration",
    "awsumepy_command",
    "autoawsume",
    "sso_auto_populated",
    "sso_account_name",
    "x_principal_arn",
    "x_security_token_expires",
    "azure_tenant_id",
    "azure_app_id_uri",
    "azure_default_role_arn",
    "aws_saml_url",
    "okta_org",
    "mfa_provider",
    "mfa_factor_type",
    "session_ttl",
    "assume_role_ttl",
    "session_name",
    "user",
    "username",
    "account",
    "account_id",
    "profile",
    "name",
    "description",
    "output",
    "s3api",
    "adfs_config.ssl_verification",
    "adfs_config.role_arn",
    "toolkit_artifact_guid",
    "brazil_region",
    "vault_role",
    "login",
    "url",
    "credentials",
    "aws_profile",
)


def _keys_of_botocore() -> set[str]:
    tables = (
        BOTOCORE_DEFAUT_SESSION_VARIABLES,
        DEFAULT_S3_CONFIG_VARS,
        DEFAULT_PROXIES_CONFIG_VARS,
    )
    # A key, `(section, key)`, or a list of these.
    words = str([variable[0] for table in tables for variable in table.values()])
    return set(re.findall(r"'(\w+)'", words))


@pytest.mark.parametrize("key", sorted({*OTHERS, *_keys_of_botocore(), *READ, *IDENTITY_KEYS}))
def test_a_key_that_something_reads_is_not_taken_for_a_mistake(key: str) -> None:
    assert meant(key) is None


def test_every_key_that_is_read_here_is_known() -> None:
    looked_up = {
        key
        for path in (ROOT / "shellvault" / "profiles").glob("*.py")
        for key in re.findall(r'\bfind(?:_for_target)?\(\s*"(\w+)"', path.read_text())
    }
    assert len(looked_up) > 25
    assert looked_up | {*sections.SESSION_SOURCES, *sections.STORED_KEY_SETTINGS} <= READ


@pytest.mark.parametrize(
    ("key", "right"),
    [
        ("mfa-serial", "mfa_serial"),
        ("mfa_seral", "mfa_serial"),
        ("mfa_device", "mfa_serial"),
        ("role_anr", "role_arn"),
        ("role-arn", "role_arn"),
        ("source-profile", "source_profile"),
        ("sorce_profile", "source_profile"),
        ("sso_registration_scope", "sso_registration_scopes"),
        ("sso-session", "sso_session"),
        ("sso_sesion", "sso_session"),
        ("sso_account", "sso_account_id"),
        ("sso_role", "sso_role_name"),
        ("credentials_process", "credential_process"),
        ("regoin", "region"),
        ("retry-mode", "retry_mode"),
        ("shellvault_readonly", "shellvault_read_only"),
    ],
)
def test_a_mistyped_key_leads_to_the_right_one(key: str, right: str) -> None:
    config = parse(f"[profile a]\n{key} = x\n".encode(), Path("config"))
    assert remarks.of_file(config) == [
        f"config:2: {key} is not a known setting and has no effect: did you mean {right}?"
    ]


ODD = """\
[sso-session corp]
sso_start_url = https://corp.awsapps.com/start/\\#/
sso_region = eu-west-1
sso_registration_scopes = "sso:account:access" other
sso_registration_scope = x

[profile odd]
sso_session = corp
sso_account_id = 123456789012
sso_role_name = Admin
sso_region = us-east-1
mfa-serial = arn:aws:iam::123456789012:mfa/me
role_anr = arn:aws:iam::123456789012:role/other
shellvault_nonsense = 1
"""

#: Where it is, and what is to be said of it.
SAID = (
    r":2: sso_start_url has a \ that AWS's tools send to AWS with it: write https://corp.awsapps.com/start",
    ":4: sso_registration_scopes takes commas between scopes, and no quotes: write sso:account:access, other",
    ":5: sso_registration_scope is not a known setting and has no effect: did you mean sso_registration_scopes?",
    ":11: sso_region differs from that of [sso-session corp], and AWS's tools refuse both: remove it",
    ":12: mfa-serial is not a known setting and has no effect: did you mean mfa_serial?",
    ":13: role_anr is not a known setting and has no effect: did you mean role_arn?",
    ":14: shellvault_nonsense is not a known setting and has no effect",
)

#: The commands that look at the file, and whether that is an error.
DOORS = (("list",), ("why", "odd"), ("doctor", "--offline"))


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door[0])
def test_every_oddity_is_noted_by_every_command_that_looks(door: tuple[str, ...], home: Home) -> None:
    home.write_config(ODD)
    done = home.shellvault(*door)
    shown = done.stdout + done.stderr
    assert [said for said in SAID if said not in shown] == []


def test_what_is_equal_contradicts_nothing() -> None:
    text = "[sso-session s]\nsso_region = a\n[profile p]\nsso_session = s\nsso_region = a\n"
    assert remarks.of_file(parse(text.encode(), Path("config"))) == []


def test_a_file_full_of_mistyped_keys_gives_a_few_remarks() -> None:
    text = "[profile a]\n" + "".join(f"role_ar{number} = x\n" for number in range(10_000))
    assert len(remarks.of_file(parse(text.encode(), Path("config")))) < 30
