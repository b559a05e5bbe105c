"""From a config file to a profile, and what a profile resolves to."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shellvault.errors import ConfigError
from shellvault.plan import Options, build
from shellvault.profiles.model import Durations, Profile, Sso
from tests.profiles.resolving import MFA, ROLE, refusal, resolved

# Every key


def test_every_key_of_a_role_profile_is_read() -> None:
    profile = resolved(
        f"""[profile work]
region = eu-west-1
endpoint_url = https://localhost:4566/base
sts_regional_endpoints = Regional
use_fips_endpoint = True
use_dualstack_endpoint = false
ca_bundle = /etc/ca with space.pem
mfa_serial = {MFA}
mfa_process = pass otp aws
role_arn = {ROLE}
external_id = ext:1/2
role_session_name = me@example.com
duration_seconds = 7200
source_identity = me
session_tags = team=a b, cost = 1
transitive_session_tags = team
source_profile = base
[profile base]
"""
    )
    assert profile == Profile(
        name="work",
        defined=True,
        source=Profile("base", True, where="config:18"),
        region="eu-west-1",
        region_origin="config",
        own_region="eu-west-1",
        endpoint_url="https://localhost:4566/base",
        endpoint_url_origin="config",
        sts_regional_endpoints="regional",
        use_fips_endpoint=True,
        use_fips_endpoint_origin="config",
        use_dualstack_endpoint=False,
        use_dualstack_endpoint_origin="config",
        ca_bundle="/etc/ca with space.pem",
        mfa_serial=MFA,
        mfa_process="pass otp aws",
        role_arn=ROLE,
        external_id="ext:1/2",
        role_session_name="me@example.com",
        source_identity="me",
        session_tags=(("team", "a b"), ("cost", "1")),
        transitive_session_tags=("team",),
        durations=Durations(assume_role=7200),
        where="config:1",
    )


def test_web_identity_and_credential_process_are_read() -> None:
    profile = resolved(
        "[profile work]\nweb_identity_token_file = /run/token\nweb_identity_token_process = gcloud token\n"
        "credential_process = helper --name 'a b'\n"
    )
    assert profile.web_identity_token_file == "/run/token"
    assert profile.web_identity_token_process == "gcloud token"
    assert profile.credential_process == "helper --name 'a b'"


def test_a_credential_source_is_read_in_any_case() -> None:
    profile = resolved(
        f"[profile work]\nrole_arn = {ROLE}\ncredential_source = ec2instancemetadata\n"
        "ec2_metadata_service_endpoint = http://[fd00:ec2::254]\n"
    )
    assert profile.credential_source == "Ec2InstanceMetadata"
    assert profile.instance_metadata == {"ec2_metadata_service_endpoint": "http://[fd00:ec2::254]"}
    assert "is none of Environment, Ec2InstanceMetadata" in refusal("[profile work]\ncredential_source = x\n")


def test_a_credential_source_and_a_source_profile_are_refused() -> None:
    message = refusal("[profile work]\ncredential_source = Environment\nsource_profile = b\n[profile b]\n")
    assert message.startswith(
        "config:2: credential_source: 'Environment' cannot be combined with source_profile"
    )


def test_an_empty_value_is_no_value() -> None:
    assert resolved("[default]\nregion = eu-west-1\n[profile work]\nregion =\n").region == "eu-west-1"


def test_a_name_without_a_section_resolves_and_says_so() -> None:
    profile = resolved("[default]\nregion = eu-west-1\n")
    assert (profile.defined, profile.region, profile.where) == (False, "eu-west-1", None)


def test_a_source_without_a_section_says_where_it_is_named() -> None:
    source = resolved("[profile work]\nsource_profile = keys\n").source
    assert source == Profile("keys", False, where="config:2: source_profile")


# Identity Center


SSO_PROFILE = "[profile work]\nsso_account_id = 123456789012\nsso_role_name = Admin\n"


def test_inline_sso_settings_are_read() -> None:
    profile = resolved(
        SSO_PROFILE + "sso_start_url = https://corp.awsapps.com/start#/\nsso_region = eu-west-1\n"
    )
    assert profile.sso == Sso("https://corp.awsapps.com/start#/", "eu-west-1", "123456789012", "Admin")


def test_an_sso_session_beats_inline_settings() -> None:
    profile = resolved(
        SSO_PROFILE + "sso_start_url = https://old.example.com\nsso_region = us-east-1\nsso_session = corp\n"
        "[sso-session corp]\nsso_start_url = https://new.example.com\nsso_region = eu-west-1\n"
        "sso_registration_scopes = sso:account:access, other\n"
    )
    assert profile.sso == Sso(
        "https://new.example.com",
        "eu-west-1",
        "123456789012",
        "Admin",
        "corp",
        ("sso:account:access", "other"),
    )


def test_a_missing_sso_session_is_an_error() -> None:
    message = refusal(SSO_PROFILE + "sso_session = corp\n")
    assert message.startswith("config:4: sso_session: 'corp' has no [sso-session] section")


@pytest.mark.parametrize("extra", ["", "sso_start_url = https://a.example\n", "sso_region = eu-west-1\n"])
def test_half_an_sso_profile_is_an_error(extra: str) -> None:
    assert "needs sso_start_url and sso_region" in refusal(SSO_PROFILE + extra)


# Endpoints


SERVICES = "[profile work]\nservices = local\n{}[services local]\nsts =\n  endpoint_url = http://sts-file\n"


def test_the_sts_endpoint_of_a_services_section_is_used() -> None:
    profile = resolved(SERVICES.format("endpoint_url = http://all\n"))
    assert profile.endpoint_url == "http://all"
    assert profile.service_endpoint_urls == {"sts": "http://sts-file"}


def test_endpoints_of_the_environment_beat_the_services_section() -> None:
    own = resolved(SERVICES.format(""), AWS_ENDPOINT_URL_STS="http://env")
    assert own.service_endpoint_urls == {"sts": "http://env"}
    assert resolved(SERVICES.format(""), AWS_ENDPOINT_URL="http://env").service_endpoint_urls == {}


def test_endpoints_of_other_services_are_noted() -> None:
    profile = resolved(SERVICES.format("") + "s3 =\n  endpoint_url = http://s3\n")
    assert profile.notes == ("config:3: the endpoints of s3 are not exported to commands",)


def test_a_missing_services_section_is_an_error() -> None:
    assert "has no [services] section" in refusal("[profile work]\nservices = local\n")


# What is not supported is said


@pytest.mark.parametrize(
    ("setting", "way"),
    [
        ("aws_access_key_id = AKIAIOSFODNN7EXAMPLE", "store the key with `shellvault add work`"),
    ],
)
def test_unsupported_credentials_are_named_with_a_way_out(setting: str, way: str) -> None:
    profile = resolved(f"[profile work]\n{setting}\n")
    assert profile.unsupported is not None
    assert profile.unsupported.startswith("config:") and way in profile.unsupported
    assert profile.notes == (profile.unsupported,)
    assert "AKIA" not in profile.unsupported


def test_a_section_without_the_word_profile_is_noted() -> None:
    profile = resolved("[work]\nregion = eu-west-1\n")
    assert not profile.defined
    assert profile.notes == ("config:1: this is a profile only as [profile work]",)
    with pytest.raises(ConfigError, match=r"this is a profile only as \[profile work\]"):
        build(profile, {}, Options())


def test_notes_about_the_file_are_shown_once() -> None:
    profile = resolved("[profile a b]\n[profile work]\nsource_profile = base\n[profile base]\n")
    assert len(profile.notes) == 1
    assert profile.source is not None and profile.source.notes == ()


# Anything at all


VALUES = st.sampled_from(
    ["a", "b", "c", "default", "work", ROLE, MFA, "eu-west-1", "3600", "x=y", "https://h", "corp", ""]
)
KEYS = st.sampled_from(
    ["role_arn", "source_profile", "include_profile", "region", "sso_session", "sso_start_url", "sso_region",
     "duration_seconds", "session_tags", "mfa_serial", "services", "credential_source"]
)  # fmt: skip
SECTIONS = st.dictionaries(
    st.sampled_from(["default", "profile a", "profile b", "profile c", "profile work", "sso-session corp"]),
    st.dictionaries(KEYS, VALUES, max_size=4),
)


@settings(max_examples=300, deadline=None)
@given(SECTIONS)
def test_every_file_resolves_or_names_the_line(sections: Mapping[str, Mapping[str, str]]) -> None:
    text = "".join(
        f"[{header}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())
        for header, keys in sections.items()
    )
    try:
        assert resolved(text).name == "work"
    except ConfigError as refused:
        assert str(refused).startswith("config:") and str(refused).isprintable()
