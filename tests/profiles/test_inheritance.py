"""What a profile takes from `[default]`, from included profiles and from its source; circles among them."""

import pytest

from shellvault.profiles.model import Profile
from shellvault.profiles.settings import MAX_CHAIN
from tests.profiles.resolving import MFA, ROLE, refusal, resolved

IDENTITY = f"""role_arn = {ROLE}
source_profile = base
external_id = ext
role_session_name = someone
sso_session = corp
sso_start_url = https://a.example
sso_region = eu-west-1
sso_account_id = 123456789012
sso_role_name = Admin
credential_process = helper
web_identity_token_file = /token
web_identity_token_process = tokens
login_session = arn:aws:iam::123456789012:user/me
aws_access_key_id = AKIAIOSFODNN7EXAMPLE
"""
ELSEWHERE = "[profile base]\n[sso-session corp]\nsso_start_url = https://a.example\nsso_region = eu-west-1\n"


def test_identity_never_comes_from_default() -> None:
    assert resolved(f"[default]\n{IDENTITY}{ELSEWHERE}[profile work]\n") == Profile(
        "work", True, where="config:20"
    )


def test_a_credential_source_never_comes_from_default() -> None:
    text = f"[default]\nrole_arn = {ROLE}\ncredential_source = Environment\n[profile work]\n"
    assert resolved(text).credential_source is None
    assert resolved(text, "default").credential_source == "Environment"


def test_identity_never_comes_from_default_into_a_source() -> None:
    text = "[profile work]\nsource_profile = base\n[profile base]\n"
    profile = resolved(f"[default]\nrole_arn = {ROLE}\n{text}")
    assert profile.role_arn is None
    assert profile.source is not None and profile.source.role_arn is None


def test_default_keeps_its_own_identity() -> None:
    profile = resolved(f"[default]\n{IDENTITY}{ELSEWHERE}", "default")
    assert profile.role_arn == ROLE
    assert profile.source is not None and profile.source.name == "base"


def test_everything_else_comes_from_default() -> None:
    shared = (
        f"region = eu-west-1\nmfa_serial = {MFA}\nduration_seconds = 1800\nsts_regional_endpoints = legacy\n"
        "endpoint_url = http://localhost:4566\nca_bundle = /ca.pem\nmfa_process = otp\nsession_tags = a=b\n"
        "transitive_session_tags = a\nsource_identity = me\n"
    )
    inherited = resolved(f"[default]\n{shared}[profile work]\n")
    own = resolved(f"[profile work]\n{shared}")
    assert inherited.mfa_serial == MFA and inherited.session_tags == (("a", "b"),)
    assert {field: getattr(inherited, field) for field in Profile.__slots__ if field != "where"} == {
        field: getattr(own, field) for field in Profile.__slots__ if field != "where"
    }


def test_an_include_gives_everything_identity_too() -> None:
    profile = resolved(f"[profile work]\ninclude_profile = common\n[profile common]\n{IDENTITY}{ELSEWHERE}")
    assert profile.role_arn == ROLE
    assert profile.source is not None and profile.source.name == "base"
    assert profile.sso is not None and profile.credential_process == "helper"


def test_default_can_be_included_on_purpose() -> None:
    text = f"[default]\nrole_arn = {ROLE}\n[profile work]\ninclude_profile = default\n"
    assert resolved(text).role_arn == ROLE


def test_own_beats_include_beats_deeper_include_beats_default() -> None:
    text = """[profile work]
include_profile = one
region = own-1
[profile one]
include_profile = two
region = one-1
mfa_serial = one
[profile two]
region = two-1
mfa_serial = two
duration_seconds = 2000
[default]
region = default-1
mfa_serial = default
duration_seconds = 3000
endpoint_url = http://default
"""
    profile = resolved(text)
    assert (profile.region, profile.mfa_serial) == ("own-1", "one")
    assert (profile.durations.assume_role, profile.endpoint_url) == (2000, "http://default")


def test_what_default_includes_is_the_last_resort() -> None:
    text = f"[default]\ninclude_profile = common\n[profile common]\nregion = eu-west-1\nrole_arn = {ROLE}\n"
    profile = resolved(text + "[profile work]\n")
    assert (profile.region, profile.role_arn) == ("eu-west-1", None)
    assert resolved(text, "common").role_arn == ROLE


def test_mfa_process_comes_from_the_source_and_mfa_serial_not() -> None:
    source = f"[profile base]\nmfa_process = otp\nmfa_serial = {MFA}\n"
    profile = resolved(f"[profile work]\nsource_profile = base\n{source}")
    assert profile.mfa_process == "otp"
    assert profile.mfa_serial is None


def test_a_profile_that_is_its_own_source_has_no_source() -> None:
    assert resolved("[profile work]\nsource_profile = work\n").source is None


# Circles


@pytest.mark.parametrize("key", ["source_profile", "include_profile"])
def test_a_circle_is_an_error_that_names_it(key: str) -> None:
    text = f"[profile start]\n{key} = a\n[profile a]\n{key} = b\n[profile b]\n{key} = a\n"
    assert refusal(text, "start") == f"config:6: {key} leads in a circle: a → b → a"
    assert refusal(text, "b") == f"config:4: {key} leads in a circle: b → a → b"


def test_a_profile_that_includes_itself_is_a_circle() -> None:
    assert refusal("[profile work]\ninclude_profile = work\n") == (
        "config:2: include_profile leads in a circle: work → work"
    )


def test_a_circle_through_an_include_is_found() -> None:
    includes = "[profile a]\ninclude_profile = mix\n[profile mix]\nsource_profile = b\n"
    text = includes + "[profile b]\nsource_profile = a\n"
    assert refusal(text, "a").endswith("source_profile leads in a circle: a → b → a")


def test_a_source_in_default_makes_no_circle() -> None:
    text = "[default]\nsource_profile = a\n[profile a]\nregion = eu-west-1\n"
    assert resolved(text, "default").source == resolved(text, "a")


@pytest.mark.parametrize("length", [MAX_CHAIN, 5000])
@pytest.mark.parametrize("key", ["source_profile", "include_profile"])
def test_a_chain_without_an_end_is_an_error(key: str, length: int) -> None:
    links = (f"[profile p{number}]\n{key} = p{number + 1}\n" for number in range(length))
    text = "".join(links) + f"[profile p{length}]\n"
    assert f"more than {MAX_CHAIN} profiles follow from p0" in refusal(text, "p0")


def test_a_long_chain_resolves() -> None:
    last = MAX_CHAIN - 1
    text = "".join(f"[profile p{number}]\nsource_profile = p{number + 1}\n" for number in range(last))
    profile, length = resolved(f"{text}[profile p{last}]\n", "p0"), 1
    while profile.source:
        profile, length = profile.source, length + 1
    assert length == MAX_CHAIN


def test_a_missing_include_is_an_error() -> None:
    assert refusal("[profile work]\ninclude_profile = nobody\n") == (
        "config:2: include_profile: 'nobody' is not a profile of this file"
    )
