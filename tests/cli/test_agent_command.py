"""`shellvault agent`: what a person sees of it."""

import json

import pytest

from tests.support.home import Home


@pytest.fixture
def home_with_agent(home: Home) -> Home:
    """A home whose commands may use the agent."""
    del home.environment["SHELLVAULT_NO_AGENT"]
    return home


def test_there_is_nothing_to_see_before_the_first_session(home_with_agent: Home) -> None:
    result = home_with_agent.shellvault("agent", "status")
    assert (result.returncode, result.stderr) == (3, "")
    assert "does not run" in result.stdout


def test_it_starts_shows_itself_and_stops(home_with_agent: Home) -> None:
    home_with_agent.succeed("agent", "start")
    shown = home_with_agent.succeed("agent", "status")
    assert "no sessions" in shown
    status = json.loads(home_with_agent.succeed("agent", "status", "--json"))
    assert f"process {status['pid']}" in shown
    assert "locked" in home_with_agent.shellvault("agent", "lock").stderr
    assert "stopped" in home_with_agent.shellvault("agent", "stop").stderr
    assert "no agent runs" in home_with_agent.shellvault("agent", "stop").stderr


def test_it_runs_in_the_foreground_for_a_service_manager(home_with_agent: Home) -> None:
    running = home_with_agent.start("shellvault", "agent", "run")
    try:
        while home_with_agent.shellvault("agent", "status").returncode:
            assert running.poll() is None
        assert "runs already" in home_with_agent.fail("agent", "run")
        home_with_agent.succeed("agent", "stop")
        assert running.wait(10) == 0
    finally:
        running.kill()
        running.communicate()
