"""What a session does to an environment."""

from dataclasses import replace

from botocore import credentials
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES

from shellvault.profiles.model import Profile
from shellvault.sessions.environment import change_for
from shellvault.sessions.model import Session
from shellvault.variables import MANAGED_VARIABLES, Change

WORK = Profile("work", True)
SESSION = Session("ASIA1", "secret", "token", issued_at=1_000_000_000, expires_at=1_000_003_600)


def _change(profile: Profile = WORK, session: Session = SESSION) -> Change:
    return change_for(profile, session, "work config=/c", now=1_000_000_100)


def test_a_session_sets_its_keys_expiry_and_origin() -> None:
    assert _change().set == {
        "AWS_ACCESS_KEY_ID": "ASIA1",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": "token",
        "AWS_CREDENTIAL_EXPIRATION": "2001-09-09T02:46:40Z",
        "AWS_SESSION_EXPIRATION": "2001-09-09T02:46:40Z",
        "SHELLVAULT_EXPIRES_AT": "1000003600",
        "SHELLVAULT_REFRESH_AT": "1000002700",
        "AWS_VAULT": "work",
        "SHELLVAULT_REQUEST": "work config=/c",
    }


def test_a_short_session_is_renewed_when_a_third_of_it_is_left() -> None:
    short = replace(SESSION, expires_at=SESSION.issued_at + 30)
    assert _change(session=short).set["SHELLVAULT_REFRESH_AT"] == str(SESSION.issued_at + 20)


def test_a_session_of_unknown_age_is_taken_as_new() -> None:
    unknown = replace(SESSION, issued_at=0, expires_at=1_000_000_130)
    assert _change(session=unknown).set["SHELLVAULT_REFRESH_AT"] == "1000000120"


def test_long_term_keys_unset_every_trace_of_a_session() -> None:
    change = _change(session=Session("AKIA1", "secret"))
    assert {"AWS_SESSION_TOKEN", "AWS_CREDENTIAL_EXPIRATION", "SHELLVAULT_EXPIRES_AT"} <= set(change.unset)


def test_everything_that_would_override_the_session_is_unset() -> None:
    change = _change()
    # A region in neither request nor profile is left over from another session.
    assert {"AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_REGION", "SHELLVAULT_REGION"} <= set(
        change.unset
    )
    assert set(change.set) | set(change.unset) == set(MANAGED_VARIABLES)
    assert not set(change.set) & set(change.unset)


def test_a_region_of_the_profile_is_marked_as_ours() -> None:
    change = _change(replace(WORK, region="eu-west-1", region_origin="config"))
    names = ("AWS_REGION", "AWS_DEFAULT_REGION", "SHELLVAULT_REGION")
    assert [change.set[name] for name in names] == ["eu-west-1"] * 3


def test_a_region_of_the_users_environment_is_not() -> None:
    change = _change(replace(WORK, region="eu-west-1", region_origin="environment"))
    assert change.set["AWS_DEFAULT_REGION"] == "eu-west-1"
    assert "SHELLVAULT_REGION" in change.unset


def test_an_endpoint_is_marked_like_a_region() -> None:
    url = "http://127.0.0.1:4566"
    ours = _change(replace(WORK, endpoint_url=url, endpoint_url_origin="config"))
    users = _change(replace(WORK, endpoint_url=url, endpoint_url_origin="environment"))
    assert (ours.set["AWS_ENDPOINT_URL"], ours.set["SHELLVAULT_ENDPOINT_URL"]) == (url, url)
    assert users.set["AWS_ENDPOINT_URL"] == url
    assert "SHELLVAULT_ENDPOINT_URL" in users.unset


def test_how_endpoints_are_chosen_goes_along() -> None:
    fips = replace(WORK, use_fips_endpoint=True, use_fips_endpoint_origin="config")
    ours = _change(replace(fips, use_dualstack_endpoint=False, use_dualstack_endpoint_origin="environment"))
    assert ours.set["AWS_USE_FIPS_ENDPOINT"] == ours.set["SHELLVAULT_USE_FIPS_ENDPOINT"] == "true"
    assert ours.set["AWS_USE_DUALSTACK_ENDPOINT"] == "false"
    assert "SHELLVAULT_USE_DUALSTACK_ENDPOINT" in ours.unset
    assert "AWS_USE_FIPS_ENDPOINT" in _change().unset


def test_the_account_is_that_of_the_session_or_none() -> None:
    assert (
        _change(session=replace(SESSION, account_id="111111111111")).set["AWS_ACCOUNT_ID"] == "111111111111"
    )
    assert {"AWS_ACCOUNT_ID", "AWS_CREDENTIAL_SCOPE"} <= set(_change().unset)


def test_every_credential_variable_of_botocore_is_managed() -> None:
    env, container = credentials.EnvProvider, credentials.ContainerProvider
    web_identity = credentials.AssumeRoleWithWebIdentityProvider._CONFIG_TO_ENV_VAR
    names = {env.ACCESS_KEY, env.SECRET_KEY, *env.TOKENS, env.EXPIRY_TIME, env.ACCOUNT_ID}
    names |= {container.ENV_VAR, container.ENV_VAR_FULL}
    names |= {container.ENV_VAR_AUTH_TOKEN, container.ENV_VAR_AUTH_TOKEN_FILE}
    names |= {*web_identity.values(), credentials.OriginalEC2Provider.CRED_FILE_ENV}
    names |= {*BOTOCORE_DEFAUT_SESSION_VARIABLES["profile"][1]}
    assert names <= set(MANAGED_VARIABLES)
    found = {name for name in vars(env) if name.isupper()} - {"METHOD", "CANONICAL_NAME"}
    assert found == {"ACCESS_KEY", "SECRET_KEY", "TOKENS", "EXPIRY_TIME", "ACCOUNT_ID"}  # none that is new


def test_secrets_do_not_show_in_a_representation() -> None:
    assert "secret" not in repr(_change()) + repr(SESSION)
