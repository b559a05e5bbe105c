"""A helper process that runs shellvault for a session that is waiting for that very helper is refused."""

import pytest

from shellvault.errors import SessionError
from shellvault.profiles.model import Profile
from shellvault.sessions.environment import change_for
from shellvault.sessions.model import Helper, Session
from shellvault.sessions.recursion import check_recursion, environment_for_helper
from shellvault.variables import Change
from tests.support.home import Home

ENVIRONMENT = {"PATH": "/usr/bin:/bin"}
NOW = 1_000_000_000.0


def environment_for(environment: dict[str, str], *profiles: str, region: str | None = None) -> dict[str, str]:
    """What a helper program of the first profile finds."""
    helper = Helper("credential_process", profiles[0], "", region, profiles)
    return environment_for_helper(environment, helper)


def test_a_helper_gets_no_passphrase() -> None:
    secret = {"SHELLVAULT_FILE_PASSPHRASE": "geheim", "AWS_VAULT_FILE_PASSPHRASE": "geheim"}
    assert "geheim" not in environment_for(ENVIRONMENT | secret, "work").values()


def test_a_helper_does_not_see_the_session_that_it_is_run_in() -> None:
    profile = Profile(
        "a", True, region="eu-west-1", region_origin="config", endpoint_url="http://localhost:1"
    )
    session = Session("ASIA1", "geheim", "token", int(NOW), int(NOW) + 3600)
    inside = dict(change_for(profile, session, "a config=/x", NOW).set)
    users = ENVIRONMENT | {"SHELLVAULT_BACKEND": "file", "AWS_PAGER": ""}
    assert environment_for(users | inside, "b") == environment_for(users, "b")
    server = Change(inside).with_endpoint({"AWS_CONTAINER_AUTHORIZATION_TOKEN": "x"})
    assert environment_for(users | dict(server.set), "b") == environment_for(users, "b")


def test_a_helper_finds_its_profiles_region_unless_one_is_set() -> None:
    mark = {"SHELLVAULT_REQUEST": "a config=/x", "SHELLVAULT_REGION": "eu-west-1", "AWS_REGION": "eu-west-1"}
    found = environment_for(ENVIRONMENT | mark, "b", region="us-east-2")
    assert (found["AWS_REGION"], found["AWS_DEFAULT_REGION"]) == ("us-east-2", "us-east-2")
    assert (
        environment_for(mark | {"AWS_REGION": "me-south-1"}, "b", region="us-east-2")["AWS_REGION"]
        == "me-south-1"
    )


def test_a_circle_through_helpers_is_refused_however_long_it_is() -> None:
    environment = ENVIRONMENT
    for name in ("a b", "c", "d"):
        check_recursion(name, environment)
        environment = environment_for(environment, name, name)
    for name in ("a b", "c", "d"):
        with pytest.raises(
            SessionError, match=f"the helper process of profile {name} asks for that same profile"
        ):
            check_recursion(name, environment)
    check_recursion("a", environment)


@pytest.mark.real
@pytest.mark.parametrize("no_agent", ["0", "1"])
def test_commands_that_call_each_other_end_with_one_clear_error(home: Home, no_agent: str) -> None:
    helper = "credential_process = shellvault export"
    home.write_config(f"[profile a]\n{helper} --format json b\n[profile b]\n{helper} --format json a\n")
    home.environment["SHELLVAULT_NO_AGENT"] = no_agent
    line = home.fail("export", "a")
    assert "the helper process of profile a asks for that same profile: name another" in line
