"""Whatever the profiles say, there is a plan that AWS would take, or an error of one line."""

from hypothesis import given, settings
from hypothesis import strategies as st

from shellvault.errors import ConfigError
from shellvault.plan import SIGN_INS, Options, build, describe, to_json
from shellvault.profiles.model import Durations, EngineServer, Profile, SecretsEngine, Sso

HOUR = 3600
_names = st.sampled_from(["a", "b", "c", "d e", "x\ny"])
_seconds = st.none() | st.integers(1, 40 * HOUR)
_profiles = st.deferred(
    lambda: st.builds(
        Profile,
        name=_names,
        defined=st.booleans(),
        source=st.none() | _profiles,
        region=st.none() | st.sampled_from(["eu-west-1", "cn-north-1"]),
        endpoint_url=st.none()
        | st.sampled_from(["http://127.0.0.1:1", "https://x.example", "http://[", "\x00"]),
        sts_regional_endpoints=st.none() | st.sampled_from(["legacy", "regional"]),
        mfa_serial=st.none()
        | st.sampled_from(["arn:aws:iam::1:mfa/a", "arn:aws:iam::1:mfa/b", "GAHT12345678"]),
        mfa_process=st.none() | st.just("code"),
        role_arn=st.none()
        | st.sampled_from(["arn:aws:iam::1:role/a", "arn:aws-cn:iam::1:role/b", "nonsense", "arn:"]),
        durations=st.builds(Durations, _seconds, _seconds, _seconds, _seconds),
        sso=st.none() | st.just(Sso("https://x", "eu-west-1", "1", "r")) | st.just(Sso("x", "y", None, None)),
        login_session=st.none() | st.just("arn:aws:iam::111111111111:user/ada"),
        web_identity_token_file=st.none() | st.just("/token"),
        credential_process=st.none() | st.just("process"),
        engine=st.none()
        | st.just(SecretsEngine("r"))
        | st.just(SecretsEngine("r", "m", "sts", EngineServer("https://v.example", "n\n", skip_verify=True)))
        | st.just(SecretsEngine("r", server=EngineServer("http://v.example"))),
        unsupported=st.none() | st.just("credential_source is not supported"),
        notes=st.just(()) | st.just(("a\nnote",)),
    )
)
_options = st.builds(Options, st.booleans(), st.booleans())


@settings(max_examples=300, deadline=None)
@given(_profiles, st.sets(_names), _options)
def test_every_profile_has_a_plan_or_a_clear_error(
    profile: Profile, names: set[str], options: Options
) -> None:
    stored = {name: f"AKIA{name!a}" for name in names}
    try:
        plan = build(profile, stored, options)
    except ConfigError as error:
        assert str(error).isprintable()
        return
    assert plan == build(profile, stored, options)
    assert plan.mfa_prompts == to_json(plan)["mfa_prompts"] <= 1
    assert all(line.isprintable() for line in describe(plan).split("\n"))
    assert len({step.fingerprint for step in plan.steps}) == len(plan.steps)
    for number, step in enumerate(plan.steps):
        if step.call == "assume-role":
            chained = plan.steps[number - 1].call != "stored-keys"
            assert 0 < (step.duration or 0) <= (HOUR if chained else 12 * HOUR)
        assert number == 0 or step.call not in (
            "stored-keys",
            "sso-sign-in",
            "aws-sign-in",
            "credential-process",
            "secrets-engine",
        )
        assert step.call != "sso" or plan.steps[number - 1].call == "sso-sign-in"
        kept = step.prompts_mfa or step.call in ("get-session-token", *SIGN_INS)
        assert (step.cache == "vault") == kept
