"""Sessions are renewed before the shells that use them notice, and never by asking anybody."""

import os
import subprocess
import time
from collections.abc import Callable

import pytest

from shellvault import renewal
from shellvault.agent import memory
from shellvault.protocol import Message
from tests.agent.conftest import Person, Place, until
from tests.agent.test_endpoint import opened

NOW = 1_800_000_000.0


def result(**changes: object) -> Message:
    return {
        "profile": "work",
        "texts": {"exec": "A=1\n"},
        "files": {},
        "issued_at": NOW,
        "expires_at": NOW + 3600,
        "usable_until": NOW + 3300,
        **changes,
    }


@pytest.mark.parametrize(("life", "lead"), [(3600, 900), (43200, 900), (1800, 600), (900, 300), (20, 20 / 3)])
def test_a_session_is_due_at_15_minutes_or_a_third_of_its_life(life: int, lead: float) -> None:
    assert renewal.lead(NOW, NOW + life) == pytest.approx(lead)


@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("life", [20, 900, 3600, 43200])
def test_the_agent_renews_late_but_before_the_shells_ask(life: int, jitter: float) -> None:
    due = renewal.due_at(NOW, NOW + life, jitter)
    assert NOW + life / 2 < due < NOW + life - renewal.lead(NOW, NOW + life)


def test_failures_are_left_alone_for_longer_and_longer() -> None:
    assert [renewal.backoff(failures) for failures in (1, 2, 3, 4, 5, 6, 100)] == [
        60,
        120,
        240,
        480,
        900,
        900,
        900,
    ]


def test_a_step_of_the_wall_clock_only_moves_what_is_due() -> None:
    held = memory.Memory()
    held.put("work", memory.Entry(result(), None))
    assert held.usable_text("work", "exec", NOW) == "A=1\n"
    assert held.usable_text("work", "exec", NOW + 3400) is None
    assert held.usable_text("work", "exec", NOW - 86400) == "A=1\n"


def test_an_ended_session_is_forgotten_unless_a_shell_uses_it() -> None:
    held = memory.Memory()
    for line in ("used", "unused"):
        held.put(line, memory.Entry(result(), None))
    held.expire(NOW + 3601, {"used"})
    assert list(held.entries) == ["used"]


def test_an_unlock_key_is_kept_until_its_time_is_over() -> None:
    held = memory.Memory()
    key = {"key": "00", "confirm": "keys", "until": NOW + 60}
    held.unlock({"/vault": key})
    assert held.unlock_keys(NOW + 59) == {"/vault": key}
    assert held.unlock_keys(NOW + 60) == {}


def test_a_failed_renewal_waits_for_its_time_or_for_a_person() -> None:
    held = memory.Memory()
    held.note_failure("network", NOW, "no route", needs_you=False)
    held.note_failure("mfa", NOW, "a code", needs_you=True)
    assert (held.may_try("network", NOW + 59), held.may_try("network", NOW + 60)) == (False, True)
    assert (held.needs_person("mfa"), held.needs_person("network")) == (True, False)
    assert not held.may_try("mfa", NOW + 59)
    # At a prompt there is a person, and a new sign-in is possible.
    assert not held.may_try("mfa", NOW + 9, is_attended=True)
    assert held.may_try("mfa", NOW + 10, is_attended=True)
    assert not held.may_try("network", NOW + 10, is_attended=True)
    held.person_was_here()
    assert held.may_try("mfa", NOW)
    assert not held.may_try("network", NOW)


def test_a_living_shell_has_its_session_renewed_before_it_asks(agent: Place) -> None:
    first = agent.text("get", "env.bash", "life-3", os.getpid())
    until(lambda: agent.calls("sts") >= 3)
    now = agent.text("peek", "refresh.bash", "life-3", os.getpid())
    assert now.startswith("ok\nrefresh.bash ASIA")
    assert now.split()[2] != first.split()[2]


def test_a_shell_that_has_ended_has_nothing_renewed(agent: Place) -> None:
    shell = subprocess.Popen(["sleep", "0.1"])
    agent.text("get", "env.bash", "life-2", shell.pid)
    shell.wait()
    time.sleep(3)
    assert agent.calls("sts") == 1
    assert agent.status()["sessions"] == []


def test_a_shell_that_switches_has_only_its_new_session_renewed(agent: Place) -> None:
    agent.text("get", "env.bash", "life-2", os.getpid())
    agent.text("get", "env.bash", "life-3600", os.getpid())
    time.sleep(3)
    assert agent.calls("sts") == 2


def test_a_renewal_never_asks_anybody(agent: Place) -> None:
    person = Person(["123456"])
    # The test's process is the parent of the command, so it stands for the shell.
    agent.text("peek", "refresh.bash", "ask-life-3", os.getpid())
    agent.obtain("ask-life-3", person=person)
    agent.text("peek", "refresh.bash", "ask-life-3", os.getpid())
    until(lambda: agent.text("peek", "refresh.bash", "ask-life-3", os.getpid()) == "needs-you\n")
    assert len(person.questions) == 1
    agent.obtain("ask-life-3", person=Person(["123456"]), fresh=True)
    assert agent.text("peek", "refresh.bash", "ask-life-3", os.getpid()).startswith("ok\n")


def asked_at_endpoint(agent: Place) -> bool:
    return opened(agent, "signin").get()[0] == 200


#: What asks again and again for a session that needs a sign-in, and whether it got one.
WAITING: dict[str, Callable[[Place], bool]] = {
    "a prompt": lambda agent: agent.text("peek", "refresh.bash", "signin", os.getpid()).startswith("ok"),
    "a warm command": lambda agent: agent.text("peek", "exec", "signin").startswith("ok"),
    "a command": lambda agent: agent.text("get", "exec", "signin").startswith("ok"),
    "an SDK at the endpoint": asked_at_endpoint,
}


@pytest.mark.parametrize("door", WAITING)
def test_a_sign_in_elsewhere_is_noticed_within_seconds(agent: Place, door: str) -> None:
    """As by `aws sso login`, of which the agent hears nothing."""
    ask = WAITING[door]
    assert not ask(agent)
    until(lambda: agent.text("peek", "exec", "signin") == "needs-you\n")
    (agent.home / "signed-in").touch()
    until(lambda: ask(agent), 5)


def test_an_answer_of_a_person_ends_what_needed_one(agent: Place) -> None:
    until(lambda: agent.text("peek", "refresh.bash", "signin", os.getpid()) == "needs-you\n")
    agent.obtain("ask", person=Person(["123456"]))
    assert agent.text("peek", "refresh.bash", "signin", os.getpid()) == "wait\n"


def test_a_shell_whose_agent_was_killed_gets_its_session_again(place: Place) -> None:
    process = place.start()
    place.text("get", "env.bash", "work", os.getpid())
    process.kill()
    process.wait()
    process = place.start()
    try:
        assert place.text("peek", "refresh.bash", "work", os.getpid()) == "wait\n"
        until(lambda: place.text("peek", "refresh.bash", "work", os.getpid()).startswith("ok\n"))
    finally:
        process.terminate()
        process.wait()
