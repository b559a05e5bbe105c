"""A person signs in: real commands on a real terminal, with and without the agent, against the emulated services."""

from collections.abc import Iterator

import pytest

from tests.signin.conftest import visits
from tests.signin.terminal import run
from tests.support.home import Home
from tests.support.signin import SignInEmulator

pytestmark = pytest.mark.real


@pytest.fixture(params=["alone", "agent"])
def person(at_home: Home, request: pytest.FixtureRequest) -> Iterator[Home]:
    if request.param == "agent":
        del at_home.environment["SHELLVAULT_NO_AGENT"]
    yield at_home


def test_the_first_command_signs_in_and_the_next_ones_do_not(person: Home, services: SignInEmulator) -> None:
    assert "ASIA" in run(person, "exec", "admin", "--", "printenv", "AWS_ACCESS_KEY_ID")
    run(person, "exec", "reader", "--", "true")
    assert person.succeed("exec", "admin", "--", "printenv", "AWS_VAULT") == "admin\n"
    assert len(visits(person)) == 1
    assert services.calls["POST /client/register"] == services.calls["POST /token"] == 1


def test_aws_sign_in(person: Home, services: SignInEmulator) -> None:
    assert "ASIA" in run(person, "exec", "me", "--", "printenv", "AWS_ACCESS_KEY_ID")
    assert person.succeed("exec", "me", "--", "printenv", "AWS_VAULT") == "me\n"
    assert len(visits(person)) == 1
