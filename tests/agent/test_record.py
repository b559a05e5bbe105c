"""Each message that a session can be had by leaves a line in the history, after its reply."""

import os

import pytest

from shellvault import history, locations
from shellvault.client import agent as client
from tests.agent.conftest import Person, Place, until

#: Each message that a session is had by; the session is there already where `warm`.
MESSAGES = {
    "get, cold": lambda agent: agent.text("get", "exec", "work"),
    "get, warm": lambda agent: (agent.obtain("work", "exec"), agent.text("get", "exec", "work")),
    "peek, warm": lambda agent: (agent.obtain("work", "exec"), agent.text("peek", "exec", "work")),
    "session, cold": lambda agent: agent.obtain("work", "exec"),
    "session, warm": lambda agent: (agent.obtain("work", "exec"), agent.obtain("work", "exec")),
    "session, a person asked": lambda agent: agent.obtain("ask", "exec", Person(["123456"])),
}


def recorded(agent: Place) -> list[str]:
    return [entry["answer"] for entry in history.entries(locations.state_directory(agent.environment))]


@pytest.mark.parametrize("message", MESSAGES)
def test_each_message_is_recorded(agent: Place, message: str) -> None:
    MESSAGES[message](agent)
    expected = ["given"] * (2 if "warm" in message else 1)
    until(lambda: recorded(agent) == expected)


def test_the_agent_knows_which_commands_hold_a_session(agent: Place) -> None:
    agent.obtain("work", "exec")
    holder = next(found for found in agent.status()["holders"] if found["process"] == os.getpid())
    assert (holder["kind"], holder["profile"]) == ("command", "work")
    client.forget(agent.environment)
    assert [found["process"] for found in agent.status()["holders"]] == [os.getpid()]
