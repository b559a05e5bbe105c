"""The agent stays small, whatever it holds."""

import pytest

from tests.agent.conftest import Place
from tests.agent.test_hostile_messages import resident

#: KiB (docs/design.md, "Budgets").
BUDGET = 20 * 1024

#: Characters that a snippet of a real shell has, about; half of it is the session token.
SNIPPET = 3000


@pytest.mark.parametrize("sessions", [1, 100, 1000])
def test_the_agent_stays_within_its_budget(agent: Place, sessions: int) -> None:
    for number in range(sessions):
        assert agent.text("get", "env.bash", f"size-{SNIPPET}-{number}").startswith("ok\n")
    used = resident(agent)
    print(f"{sessions} sessions: {used / 1024:.1f} MiB")
    assert len(agent.status()["sessions"]) == sessions
    assert used <= BUDGET
