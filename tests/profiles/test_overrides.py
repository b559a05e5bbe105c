"""What the environment and the command line change about a profile."""

import pytest

from shellvault.profiles.model import Durations
from tests.profiles.resolving import OTHER_ROLE, ROLE, refusal, resolved, with_flags

CHAIN = f"""[profile work]
region = own-1
mfa_serial = own
role_arn = {OTHER_ROLE}
duration_seconds = 1000
endpoint_url = http://own
source_profile = base
[profile base]
"""


def test_the_command_line_beats_the_environment_beats_the_file() -> None:
    assert resolved(CHAIN).region == "own-1"
    assert resolved(CHAIN, AWS_DEFAULT_REGION="env-2").region == "env-2"
    assert resolved(CHAIN, AWS_DEFAULT_REGION="env-2", AWS_REGION="env-1").region == "env-1"
    assert with_flags(CHAIN, region="flag-1", AWS_REGION="env-1").region == "flag-1"


def test_the_origin_of_region_and_endpoint_is_kept() -> None:
    assert resolved(CHAIN).region_origin == resolved(CHAIN).endpoint_url_origin == "config"
    assert resolved(CHAIN, AWS_DEFAULT_REGION="env-1").region_origin == "environment"
    assert resolved(CHAIN, AWS_ENDPOINT_URL="http://env").endpoint_url_origin == "environment"
    assert with_flags(CHAIN, region="flag-1").region_origin == "flag"
    assert resolved(CHAIN, "nobody").region_origin == resolved(CHAIN, "nobody").endpoint_url_origin == "none"


def test_variables_for_all_reach_the_sources() -> None:
    environment = {
        "AWS_REGION": "env-1",
        "AWS_ENDPOINT_URL": "http://env",
        "AWS_ENDPOINT_URL_STS": "http://sts",
        "AWS_STS_REGIONAL_ENDPOINTS": "legacy",
        "AWS_CA_BUNDLE": "/env.pem",
        "AWS_MFA_SERIAL": "env-mfa",
        "AWS_ASSUME_ROLE_TTL": "1h",
        "AWS_SESSION_TOKEN_TTL": "7200",
        "AWS_CHAINED_SESSION_TOKEN_TTL": "3h",
        "AWS_FEDERATION_TOKEN_TTL": "4h",
    }
    target = resolved(CHAIN, **environment)
    assert target.source is not None
    for profile in (target, target.source):
        assert (profile.region, profile.endpoint_url) == ("env-1", "http://env")
        assert profile.service_endpoint_urls == {"sts": "http://sts"}
        assert (profile.sts_regional_endpoints, profile.ca_bundle) == ("legacy", "/env.pem")
        assert profile.mfa_serial == "env-mfa"
        assert profile.durations == Durations(3600, 7200, 10800, 14400)


def test_endpoint_settings_of_the_environment_beat_the_file() -> None:
    file = (
        "[profile work]\nuse_fips_endpoint = true\nuse_dualstack_endpoint = true\nendpoint_url = http://own\n"
    )
    profile = resolved(file)
    assert (profile.use_fips_endpoint, profile.use_dualstack_endpoint) == (True, True)
    assert (profile.use_fips_endpoint_origin, profile.use_dualstack_endpoint_origin) == ("config", "config")
    other = resolved(
        file,
        AWS_USE_FIPS_ENDPOINT="False",
        AWS_USE_DUALSTACK_ENDPOINT="false",
        AWS_IGNORE_CONFIGURED_ENDPOINT_URLS="TRUE",
        AWS_ENDPOINT_URL_STS="http://sts",
    )
    assert (other.use_fips_endpoint, other.use_dualstack_endpoint) == (False, False)
    assert other.use_fips_endpoint_origin == "environment"
    assert (other.endpoint_url, other.service_endpoint_urls) == (None, {})


def test_a_compliance_setting_is_not_lost_to_a_yes() -> None:
    assert "is neither `true` nor `false`" in refusal("[profile work]\nuse_fips_endpoint = yes\n")
    assert refusal(CHAIN, AWS_USE_FIPS_ENDPOINT="1").startswith("AWS_USE_FIPS_ENDPOINT: '1' is neither")


def test_the_bundle_of_requests_is_the_last_choice() -> None:
    file = "[profile work]\nca_bundle = /file.pem\n"
    assert resolved(CHAIN, REQUESTS_CA_BUNDLE="/requests.pem").ca_bundle == "/requests.pem"
    assert resolved(file, REQUESTS_CA_BUNDLE="/requests.pem").ca_bundle == "/file.pem"
    assert resolved(CHAIN, REQUESTS_CA_BUNDLE="/r.pem", AWS_CA_BUNDLE="/aws.pem").ca_bundle == "/aws.pem"


def test_variables_of_the_active_profile_do_not_reach_sources() -> None:
    target = resolved(
        CHAIN,
        AWS_ROLE_ARN=ROLE,
        AWS_ROLE_SESSION_NAME="env-name",
        AWS_SESSION_TAGS="a=b,c=d",
        AWS_TRANSITIVE_TAGS="c",
        AWS_SOURCE_IDENTITY="env-identity",
    )
    assert (target.role_arn, target.role_session_name) == (ROLE, "env-name")
    assert target.source_identity == "env-identity"
    assert target.session_tags == (("a", "b"), ("c", "d"))
    assert target.transitive_session_tags == ("c",)
    assert target.source == resolved(CHAIN, "base")


def test_a_role_from_the_environment_is_noted() -> None:
    assert resolved(CHAIN, AWS_ROLE_ARN=ROLE).notes == ("AWS_ROLE_ARN is set and decides the role",)


def test_an_empty_variable_is_no_variable() -> None:
    assert resolved(CHAIN, AWS_REGION="", AWS_DEFAULT_REGION="env-1").region == "env-1"


def test_the_duration_option_is_for_roles_and_session_tokens() -> None:
    durations = Durations(600, 600, 600)
    assert (
        with_flags(CHAIN, duration=600, AWS_VAULT_DURATION="2h", AWS_ASSUME_ROLE_TTL="1h").durations
        == durations
    )
    assert resolved(CHAIN, AWS_VAULT_DURATION="10m", AWS_ASSUME_ROLE_TTL="1h").durations == durations
    assert resolved(CHAIN, AWS_VAULT_DURATION="2h", SHELLVAULT_DURATION="10m").durations == durations


def test_shellvault_duration_is_for_all_sessions_of_its_profile() -> None:
    own = CHAIN.replace("[profile base]", "shellvault_duration = 2h\n[profile base]")
    assert resolved(own).durations == Durations(7200, 7200, 7200)
    assert resolved(own, AWS_ASSUME_ROLE_TTL="1h").durations == Durations(3600, 7200, 7200)
    assert with_flags(own, duration=600).durations == Durations(600, 600, 600)
    assert refusal(own.replace("2h", "soon")).startswith("config:8: shellvault_duration: 'soon' is not")


def test_a_setting_that_is_none_of_ours_is_noted() -> None:
    mistyped = CHAIN.replace("[profile base]", "shellvault_duratoin = 2h\n[profile base]")
    assert resolved(mistyped).notes == (
        "config:8: shellvault_duratoin is not a known setting and has no effect: did you mean shellvault_duration?",
    )


def test_duration_seconds_is_for_the_role_alone() -> None:
    assert resolved(CHAIN).durations == Durations(assume_role=1000)


@pytest.mark.parametrize(
    "variable",
    ["SHELLVAULT_DURATION", "AWS_VAULT_DURATION", "AWS_ASSUME_ROLE_TTL", "AWS_SESSION_TOKEN_TTL",
     "AWS_CHAINED_SESSION_TOKEN_TTL", "AWS_FEDERATION_TOKEN_TTL"],
)  # fmt: skip
def test_a_bad_duration_names_its_variable(variable: str) -> None:
    assert refusal(CHAIN, **{variable: "soon"}).startswith(f"{variable}: 'soon' is not a duration")


@pytest.mark.parametrize("value", ["1h", "3600s", "3600.0", "-1", "0", "1e3", "٣", "9" * 5000])
def test_a_bad_duration_names_file_and_line(value: str) -> None:
    message = refusal(f"[profile work]\nduration_seconds = {value}\n")
    assert message.startswith("config:2: duration_seconds: ")
    assert "is not a number of seconds" in message and len(message) < 250
