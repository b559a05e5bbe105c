"""A narrowed session is narrowed by AWS, or not had at all."""

from dataclasses import replace

import pytest

from shellvault.errors import ConfigError
from shellvault.plan import Options, build, describe, to_json
from shellvault.profiles.model import Narrowing, Profile
from tests.plan.profiles import (
    STORED,
    bar_role1,
    bar_role2,
    foo_admin,
    foo_readonly,
    jonsmith,
    last,
    login,
    plan_of,
    process,
    sso,
    web,
)

READ_ONLY = Narrowing(read_only=True, where="--read-only")
ARN = "arn:aws:iam::222222222222:policy/less"
POLICY = '{"Statement":[]}'
LESS = Narrowing(policy_arns=(ARN,), policy=POLICY, where="--policy-arn and --policy")

imds = Profile("imds", True, credential_source="Ec2InstanceMetadata")


def narrowed(profile: Profile, narrowing: Narrowing = READ_ONLY) -> Profile:
    return replace(profile, narrowing=narrowing)


@pytest.mark.parametrize(
    "profile", [foo_readonly, foo_admin, bar_role2, web], ids=lambda profile: profile.name
)
def test_only_the_last_step_is_narrowed(profile: Profile) -> None:
    plan, plain = plan_of(narrowed(profile)), plan_of(profile)
    assert plan.steps[:-1] == plain.steps[:-1]
    assert plan.steps[-1].policy_arns == ("arn:aws:iam::aws:policy/ReadOnlyAccess",)
    assert plan.steps[-1].fingerprint != plain.steps[-1].fingerprint
    assert plan.narrowing.label == "ro"


def test_the_console_of_a_user_is_narrowed_too() -> None:
    step = last(narrowed(jonsmith), console=True)
    assert (step.call, step.policy_arns) == (
        "get-federation-token",
        ("arn:aws:iam::aws:policy/ReadOnlyAccess",),
    )


@pytest.mark.parametrize("partition", ["aws-cn", "aws-us-gov", "aws-eusc", "aws-iso"])
def test_read_only_access_is_that_of_the_role_s_partition(partition: str) -> None:
    role = replace(foo_readonly, role_arn=f"arn:{partition}:iam::222222222222:role/x")
    assert last(narrowed(role)).policy_arns == (f"arn:{partition}:iam::aws:policy/ReadOnlyAccess",)


def test_the_console_s_read_only_access_is_that_of_the_region() -> None:
    user = replace(jonsmith, mfa_serial=None, region="cn-north-1")
    assert last(narrowed(user), console=True).policy_arns == ("arn:aws-cn:iam::aws:policy/ReadOnlyAccess",)


@pytest.mark.parametrize(
    ("profile", "options", "reason"),
    [
        (jonsmith, {}, "GetSessionToken: use a profile with a role_arn"),
        (jonsmith, {"no_session": True}, "long-term keys: use a profile with a role_arn"),
        (sso, {}, "sso:GetRoleCredentials: choose a permission set that allows less"),
        (login, {}, "a sign-in: use a profile with a role_arn"),
        (process, {}, r"\(credential_process\) decides what they allow"),
        (imds, {}, r"\(credential_source\) decides what they allow"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_where_aws_takes_no_policy_there_is_no_session(
    profile: Profile, options: dict[str, bool], reason: str
) -> None:
    with pytest.raises(
        ConfigError, match=f"^--read-only: the session of {profile.name} cannot be narrowed.*{reason}"
    ):
        plan_of(narrowed(profile), **options)
    with pytest.raises(ConfigError, match="--policy-arn and --policy"):
        plan_of(narrowed(profile, LESS), **options)


def test_another_policy_is_another_session() -> None:
    wishes = [
        None,
        READ_ONLY,
        LESS,
        replace(LESS, policy=None),
        replace(LESS, policy_arns=()),
        replace(LESS, policy='{"Statement":{}}'),
        replace(LESS, policy_arns=(ARN + "2",)),
        replace(LESS, policy_arns=(ARN, ARN + "2")),
    ]
    assert len({last(replace(foo_readonly, narrowing=wish)).fingerprint for wish in wishes}) == len(wishes)


def test_the_same_policy_by_another_way_is_the_same_session() -> None:
    by_file = replace(LESS, policy_file="/p.json", where="config:3: shellvault_policy")
    assert last(narrowed(foo_readonly, by_file)).fingerprint == last(narrowed(foo_readonly, LESS)).fingerprint
    by_name = Narrowing(policy_arns=("arn:aws:iam::aws:policy/ReadOnlyAccess",))
    assert last(narrowed(foo_readonly, by_name)).fingerprint == last(narrowed(foo_readonly)).fingerprint


def test_profiles_that_share_a_session_share_its_policy() -> None:
    shared = Profile("shared", True, narrowed(foo_readonly))
    assert last(shared) == last(narrowed(foo_readonly))
    assert plan_of(shared).narrowing.label == "ro"
    assert last(replace(shared, narrowing=LESS)).policy == POLICY
    assert last(replace(shared, narrowing=Narrowing(where="x"))) == last(foo_readonly)


def test_a_sources_policy_does_not_narrow_its_roles() -> None:
    plan = plan_of(replace(bar_role2, source=narrowed(bar_role1, replace(READ_ONLY, where="config:7"))))
    assert plan.steps == plan_of(bar_role2).steps
    assert (
        "config:7 is for the sessions of bar-role1 itself: a role assumed from there is not narrowed"
        in describe(plan)
    )


def test_policy_and_arns_together_are_not_longer_than_aws_takes() -> None:
    long = replace(LESS, policy=" " * 2030)
    with pytest.raises(ConfigError, match=r"policy and ARNs have 20[0-9]{2} characters together"):
        plan_of(narrowed(foo_readonly, long))


def test_shellvault_s_own_calls_are_not_narrowed() -> None:
    plan = build(narrowed(jonsmith), STORED, Options(narrows=False))
    assert plan.steps == plan_of(jonsmith).steps


def test_why_shows_what_it_is_narrowed_to() -> None:
    plan = plan_of(narrowed(foo_readonly, LESS))
    assert f"narrowed to {ARN}, and a policy of 16 characters (SHA-256 " in describe(plan)
    step = to_json(plan)["steps"][-1]
    assert (step["policy_arns"], step["policy"]) == ([ARN], {"Statement": []})
    assert "narrowed to arn:aws:iam::aws:policy/ReadOnlyAccess" in describe(plan_of(narrowed(foo_readonly)))
