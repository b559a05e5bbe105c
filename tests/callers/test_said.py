"""What a coding agent names for its own command: known from what persons have said."""

import json
import os
import pwd

import pytest

from shellvault import guard
from shellvault.agent.caller import Caller
from shellvault.agent.said import Said
from shellvault.fastlane import request

OURS = {"HOME": "/home/me", "XDG_CONFIG_HOME": "/home/me/set", "HTTPS_PROXY": "http://proxy"}

#: Every field of a request that a caller can name.
FIELDS = sorted({*request.OVERRIDES, "AWS_CONFIG_FILE", "HOME"})


@pytest.fixture
def said() -> Said:
    """A person has used the agent."""
    known = Said()
    known.note(OURS, "/")
    return known


def line(**more: str) -> str:
    """A request in a person's environment, and in what a program has added."""
    return request.encode("work", {}, {**OURS, **more}, "/")


@pytest.mark.parametrize("name", FIELDS)
def test_each_field_is_a_persons_or_named(said: Said, name: str) -> None:
    mine = line(**{name: "/mine"})
    is_free = name in guard.FREE
    assert bool(said.others(mine)) != is_free, name
    said.note_line(mine)
    assert said.others(mine) == ""
    assert bool(said.others(line(**{name: "/other"}))) != is_free


def test_what_is_left_out_is_named_too(said: Said) -> None:
    assert said.others(request.encode("work", {}, {"HOME": "/home/me"}, "/")) == "XDG_CONFIG_HOME"
    assert said.others("work config=/home/me/.aws/config XDG_CONFIG_HOME=/home/me/set") == "home"


def test_the_users_own_home_counts_until_a_person_is_known() -> None:
    usual = request.encode("work", {}, {"HOME": pwd.getpwuid(os.getuid()).pw_dir}, "/")
    fresh = Said()
    assert fresh.others(usual) == ""
    fresh.note(OURS, "/")
    assert "XDG_CONFIG_HOME" in fresh.others(usual)


def test_settings_count_only_where_a_person_has_them(said: Said) -> None:
    assert said.are_settings("/elsewhere", "/home/me/set")
    assert not said.are_settings("/home/me", "")
    assert not said.are_settings("/home/me", "/mine")


def test_a_coding_agent_has_the_proxies_of_persons(said: Said) -> None:
    own = dict.fromkeys(guard.NETWORK_VARIABLES, "http://mine") | {"LANG": "C"}
    served = said.with_network(Caller(own, "/", is_local=True, runs_helpers=True)).environment
    assert served == {"LANG": "C", "HTTPS_PROXY": "http://proxy"}


def test_it_outlives_the_agents_becoming_fresh(said: Said) -> None:
    fresh = Said()
    fresh.restore(json.loads(json.dumps(said.state())))
    assert fresh.others(line()) == ""
    assert fresh.others(line(AWS_ROLE_ARN="x")) == "AWS_ROLE_ARN"


def test_what_is_remembered_has_an_end(said: Said) -> None:
    for number in range(3000):
        said.note_line(line(AWS_ROLE_ARN=str(number)))
    assert len(json.dumps(said.state())) < 200_000
