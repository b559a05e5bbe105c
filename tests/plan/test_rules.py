"""Each rule of a plan that the manual's table does not show, or that is better here than there."""

from dataclasses import replace

import pytest

from shellvault.errors import ConfigError
from shellvault.plan import Options, assumed_role, build
from shellvault.profiles.model import Durations, Profile, Sso
from tests.plan.profiles import (
    HOUR,
    MFA,
    STORED,
    bar_role1,
    calls,
    foo_admin,
    foo_readonly,
    jonsmith,
    last,
    lasting,
    login,
    plan_of,
    process,
    sso,
    web,
)

ROLE = "arn:aws:iam::444444444444:role/Beside"


def test_a_user_without_a_device_gets_a_session_without_a_code() -> None:
    plan = plan_of(replace(jonsmith, mfa_serial=None))
    assert calls(plan) == ["stored-keys", "get-session-token"]
    assert plan.mfa_prompts == 0


def test_only_the_first_role_is_sent_the_code() -> None:
    plan = plan_of(replace(foo_admin, source=bar_role1), no_session=True)
    assert [step.device for step in plan.steps] == [None, MFA, None]


def test_a_role_of_another_device_is_not_assumed_from_a_session() -> None:
    other = MFA.replace("jonsmith", "other")
    plan = plan_of(replace(foo_admin, mfa_serial=other))
    assert calls(plan) == ["stored-keys", "assume-role"]
    assert plan.steps[-1].mfa_serial == other


def test_a_second_device_in_the_chain_is_left_out_and_said() -> None:
    other = MFA.replace("jonsmith", "other")
    plan = plan_of(replace(foo_admin, source=bar_role1, mfa_serial=other))
    assert plan.mfa_prompts == 1
    assert any("mfa_serial of foo-admin is unused" in note for note in plan.notes)


@pytest.mark.parametrize("source", [sso, web, process, bar_role1], ids=lambda source: source.name)
def test_a_role_after_any_temporary_source_is_capped_at_an_hour(source: Profile) -> None:
    durations = Durations(assume_role=2 * HOUR)
    plan = plan_of(replace(foo_readonly, source=source, durations=durations))
    assert (plan.steps[-1].duration, plan.steps[-1].requested_duration) == (HOUR, 2 * HOUR)
    assert (
        "foo-readonly asks for 2h and gets 1h, AWS's limit for a role assumed from temporary credentials"
        in plan.notes
    )


def test_a_role_assumed_by_long_term_keys_keeps_its_duration() -> None:
    step = last(lasting(12 * HOUR, foo_readonly))
    assert (step.duration, step.requested_duration) == (12 * HOUR, None)


@pytest.mark.parametrize(
    ("profile", "first"),
    [(sso, ["sso-sign-in", "sso"]), (process, ["credential-process"]), (login, ["aws-sign-in"])],
)
def test_a_role_is_assumed_from_another_source(profile: Profile, first: list[str]) -> None:
    plan = plan_of(replace(profile, role_arn=ROLE))
    assert calls(plan) == [*first, "assume-role"]
    assert plan.steps[-1].role_arn == ROLE


def test_the_role_of_a_web_identity_is_the_one_it_assumes() -> None:
    plan = plan_of(web)
    assert calls(plan) == ["assume-role-with-web-identity"]
    assert plan.steps[0].role_arn == web.role_arn


@pytest.mark.parametrize("source", [sso, web], ids=lambda source: source.name)
def test_no_code_is_sent_with_a_roles_credentials(source: Profile) -> None:
    plan = plan_of(replace(foo_admin, source=source))
    assert plan.mfa_prompts == 0
    assert any("mfa_serial of foo-admin is unused" in note for note in plan.notes)


def test_a_code_is_sent_with_the_keys_of_a_process() -> None:
    step = last(replace(foo_admin, source=process))
    assert (step.mfa_serial, step.cache) == (MFA, "vault")


def test_stored_keys_come_first_and_that_is_noted() -> None:
    plan = build(replace(sso, name="jonsmith"), STORED, Options())
    assert calls(plan) == ["stored-keys", "get-session-token"]
    assert any("stored keys of jonsmith are used" in note for note in plan.notes)


def test_stored_keys_with_a_role_of_their_own_assume_it() -> None:
    plan = plan_of(replace(jonsmith, role_arn=ROLE))
    assert calls(plan) == ["stored-keys", "assume-role"]
    assert plan.steps[-1].prompts_mfa


def test_a_chain_without_a_role_is_a_users_session() -> None:
    alias = Profile("alias", True, jonsmith, durations=Durations(session_token=2 * HOUR))
    plan = plan_of(alias)
    assert calls(plan) == ["stored-keys", "get-session-token"]
    assert (plan.steps[-1].duration, plan.steps[-1].mfa_serial) == (2 * HOUR, MFA)


def test_a_sign_in_by_a_role_may_start_with_a_session() -> None:
    assert calls(plan_of(foo_admin, console=True)) == ["stored-keys", "get-session-token", "assume-role"]


def test_a_federated_name_is_one_that_aws_takes() -> None:
    user = Profile("ü", True)
    step = build(user, {"ü": "AKIA"}, Options(console=True)).steps[-1]
    assert step.session_name == "user--"


@pytest.mark.parametrize(
    ("profile", "seconds", "limits"),
    [
        (jonsmith, 899, "15m to 36h for get-session-token"),
        (jonsmith, 36 * HOUR + 1, "15m to 36h for get-session-token"),
        (foo_readonly, 899, "15m to 12h for assume-role"),
        (foo_readonly, 12 * HOUR + 1, "15m to 12h for assume-role"),
        (web, 12 * HOUR + 1, "15m to 12h for assume-role-with-web-identity"),
    ],
)
def test_a_duration_that_aws_does_not_give_is_an_error(profile: Profile, seconds: int, limits: str) -> None:
    with pytest.raises(ConfigError, match=limits):
        plan_of(lasting(seconds, profile))


@pytest.mark.parametrize("seconds", [899, 36 * HOUR + 1])
def test_a_sign_in_duration_that_aws_does_not_give_is_an_error(seconds: int) -> None:
    with pytest.raises(ConfigError, match="15m to 36h for get-federation-token"):
        plan_of(replace(jonsmith, durations=Durations(federation_token=seconds)), console=True)


@pytest.mark.parametrize("url", ["http://127.0.0.1:4566", "http://localhost:4566", "http://[::1]:4566"])
def test_an_emulator_on_loopback_may_give_short_sessions(url: str) -> None:
    assert last(lasting(20, replace(jonsmith, endpoint_url=url))).duration == 20


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1.evil.example", "https://10.0.0.1", "nonsense", "http://[::1"]
)
def test_an_endpoint_elsewhere_may_not(url: str) -> None:
    with pytest.raises(ConfigError, match="asks for 20s"):
        plan_of(lasting(20, replace(jonsmith, endpoint_url=url)))


def test_the_sts_endpoint_wins_over_the_general_one() -> None:
    urls = {"sts": "https://sts.example", "iam": "https://iam.example"}
    profile = replace(jonsmith, endpoint_url="https://all.example", service_endpoint_urls=urls)
    assert last(profile).endpoint.url == "https://sts.example"


@pytest.mark.parametrize(
    ("role", "region"),
    [
        ("arn:aws:iam::1:role/a", "us-east-1"),
        ("arn:aws-cn:iam::1:role/a", "cn-north-1"),
        ("arn:aws-us-gov:iam::1:role/a", "us-gov-west-1"),
    ],
)
def test_without_a_region_sts_is_asked_in_the_partitions_own(role: str, region: str) -> None:
    assert last(replace(foo_readonly, role_arn=role)).endpoint.region == region


def test_a_step_without_a_region_has_the_plans_partition() -> None:
    user = replace(jonsmith, mfa_serial="GAHT12345678")
    role = "arn:aws-us-gov:iam::1:role/a"
    plan = plan_of(replace(foo_admin, source=user, role_arn=role, mfa_serial="GAHT12345678"))
    assert calls(plan) == ["stored-keys", "get-session-token", "assume-role"]
    assert [step.endpoint.region for step in plan.steps[1:]] == ["us-gov-west-1"] * 2


def test_one_profiles_region_gives_the_others_its_partition() -> None:
    user = replace(jonsmith, mfa_serial=None)
    plan = plan_of(Profile("alias", True, user, region="cn-northwest-1"))
    assert plan.steps[-1].endpoint.region == "cn-north-1"


def test_a_role_is_assumed_from_its_credential_source() -> None:
    profile = replace(foo_admin, source=None, credential_source="Ec2InstanceMetadata")
    plan = plan_of(lasting(2 * HOUR, profile))
    assert calls(plan) == ["credential-source", "assume-role"]
    assert plan.steps[0].source == "Ec2InstanceMetadata"
    assert (plan.steps[1].duration, plan.steps[1].mfa_serial) == (HOUR, None)


def test_a_users_own_keys_need_a_code_and_are_not_capped() -> None:
    profile = lasting(2 * HOUR, replace(foo_admin, source=None, credential_source="Environment"))
    plans = [build(profile, {}, Options(environment_key_id=key_id)) for key_id in ("AKIA1", "AKIA2", "ASIA1")]
    assert [plan.steps[1].mfa_serial for plan in plans] == [MFA] * 3
    assert [plan.steps[1].duration for plan in plans] == [2 * HOUR, 2 * HOUR, HOUR]
    assert len({plan.steps[1].fingerprint for plan in plans}) == 3


def test_a_session_without_a_code_is_said_to_be_no_good_for_iam() -> None:
    (note,) = plan_of(replace(jonsmith, mfa_serial=None)).notes
    assert "AWS lets it call neither IAM nor most of STS; set mfa_serial, or use --no-session" in note


@pytest.mark.parametrize("profile", [jonsmith, foo_admin], ids=lambda profile: profile.name)
def test_a_security_key_is_refused_with_the_way_that_works(profile: Profile) -> None:
    key = "arn:aws:iam::111111111111:u2f/user/jonsmith/default-ABC"
    with pytest.raises(ConfigError, match="works in a browser alone: sign in with `aws login`"):
        plan_of(replace(profile, mfa_serial=key))


def test_a_security_key_that_is_not_asked_stops_nothing() -> None:
    profile = replace(foo_readonly, source=sso, mfa_serial="arn:aws:iam::1:u2f/user/a/b")
    assert plan_of(profile).mfa_prompts == 0


def test_a_name_in_a_suggested_command_is_one_word_of_a_shell() -> None:
    with pytest.raises(ConfigError, match="store keys with `shellvault add 'a b'`"):
        plan_of(Profile("a b", True))


def test_an_alias_with_its_own_device_gets_a_session() -> None:
    plan = plan_of(Profile("alias", True, jonsmith, mfa_serial=MFA))
    assert calls(plan) == ["stored-keys", "get-session-token"]
    assert (plan.steps[-1].duration, plan.steps[-1].mfa_serial) == (8 * HOUR, MFA)


def test_fips_that_a_url_of_ones_own_switches_off_is_said() -> None:
    plan = plan_of(replace(jonsmith, use_fips_endpoint=True, endpoint_url="https://all.example"))
    (note,) = plan.notes
    assert note == (
        "use_fips_endpoint has no effect on get-session-token: the endpoint_url https://all.example is asked"
    )
    assert plan_of(replace(jonsmith, use_fips_endpoint=True)).notes == ()


def test_a_role_of_a_container_is_asked_for_in_its_partition() -> None:
    step = assumed_role(jonsmith, "arn:aws-cn:iam::1:role/a")
    assert (step.call, step.duration, step.endpoint.region) == ("assume-role", HOUR, "cn-north-1")


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        (Profile("gone", defined=False), "gone has neither a section .* `shellvault add gone`"),
        (Profile("bare", defined=True), "bare has no credentials: store keys with `shellvault add bare`"),
        (
            Profile("signed-in", True, unsupported="login_session is not supported"),
            "login_session is not supported",
        ),
        (replace(sso, sso=Sso("https://x", "eu-west-1", None, None)), "sso_account_id and sso_role_name"),
        (replace(web, role_arn=None), "web has a web identity token but no role_arn"),
        (replace(foo_readonly, source=Profile("bare", True)), "bare has no credentials"),
    ],
    ids=lambda value: value.name if isinstance(value, Profile) else "",
)
def test_missing_credentials_say_what_to_do(profile: Profile, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan_of(profile)


def test_the_mfa_process_comes_along_where_a_code_is_needed() -> None:
    asking = replace(jonsmith, mfa_process="code-please")
    assert last(asking).mfa_process == "code-please"
    assert last(replace(foo_readonly, source=asking)).mfa_process is None


def test_everything_that_a_role_is_asked_with_is_in_its_step() -> None:
    step = last(
        replace(
            foo_readonly,
            external_id="external",
            role_session_name="me",
            source_identity="person",
            session_tags=(("team", "a"),),
            transitive_session_tags=("team",),
            region="eu-west-1",
            sts_regional_endpoints="legacy",
            ca_bundle="/bundle.pem",
        )
    )
    assert (step.external_id, step.session_name, step.source_identity) == ("external", "me", "person")
    assert (step.session_tags, step.transitive_session_tags) == ((("team", "a"),), ("team",))
    assert (step.endpoint.region, step.endpoint.legacy, step.endpoint.ca_bundle) == (
        "eu-west-1",
        True,
        "/bundle.pem",
    )


@pytest.mark.parametrize(
    ("url", "is_refused"),
    [
        ("http://aws.example", True),
        ("HTTP://10.0.0.1:4566", True),
        ("http://127.0.0.1.example", True),
        ("http://127.0.0.1:4566", False),
        ("http://localhost", False),
        ("http://[::1]:1", False),
        ("https://aws.example", False),
    ],
)
def test_plain_http_to_another_machine_needs_permission(url: str, is_refused: bool) -> None:
    profile = replace(jonsmith, endpoint_url=url)
    assert calls(plan_of(profile, insecure_endpoint=True)) == ["stored-keys", "get-session-token"]
    if not is_refused:
        assert plan_of(profile) == plan_of(profile, insecure_endpoint=True)
        return
    with pytest.raises(ConfigError, match="--insecure-endpoint"):
        plan_of(profile)
