"""What persons allow to callers: permits, leases, and which answers count."""

import json
import os
from collections.abc import Callable

import pytest

from shellvault.actors import Actor, Process
from shellvault.agent import permits as module
from shellvault.agent.permits import PATIENCE, Permits, RefusedError

NOW = 1000.0
READ_ONLY = {"read-only": "no-secrets"}
LINE = "prod config=/c home=/h"
DEV = "dev config=/c home=/h"


def actor(kind: str, *pids: int, program: str = "bash", terminal: int = 3, root: int = 0) -> Actor:
    """An actor whose chain has these processes, its own first."""
    chain = tuple(Process(pid, str(pid)) for pid in pids)
    found = Process(root, str(root)) if root else chain[0]
    terminals = tuple(terminal for _ in pids)
    return Actor(kind, program, found, chain, tuple("x" for _ in pids), terminals)  # type: ignore[arg-type]


PERSON = actor("person", 50, 51, 1, terminal=9)
CLAUDE = actor("coding-agent", 22, 21, 20, 11, 1, program="claude-code", root=20)


@pytest.fixture
def permits(monkeypatch: pytest.MonkeyPatch) -> Permits:
    """No permit yet; every process lives."""
    monkeypatch.setattr(module, "is_alive", lambda process: True)
    return Permits()


class Waiting:
    """One that waits for an answer."""

    def __init__(self) -> None:
        self.answers: list[str] = []

    def __call__(self, refusal: str) -> None:
        self.answers.append(refusal)


def ask(permits: Permits, line: str = LINE, by: Actor = CLAUDE) -> tuple[int, Waiting]:
    waiting = Waiting()
    question = permits.ask(by, line, "claude-code wants prod", "", NOW, waiting)
    return question.number, waiting


def fields(permits: Permits, by: Actor = CLAUDE, line: str = LINE, now: float = NOW) -> dict[str, str]:
    return permits.fields(by, line, {"actor": "label"}, now)


def test_without_a_permit_a_line_says_only_what_asks(permits: Permits) -> None:
    assert fields(permits) == {"actor": "label"}


def test_an_answer_allows_the_run_of_the_program(permits: Permits) -> None:
    number, waiting = ask(permits)
    permit = permits.allow(number, PERSON, 900, {}, NOW)
    assert waiting.answers == [""]
    assert fields(permits) == {"actor": "label", "grant": str(permit.number)}
    sibling = actor("coding-agent", 30, 20, 11, 1, root=20)
    other_run = actor("coding-agent", 41, 40, 11, 1, root=40)
    assert "grant" in fields(permits, sibling)
    assert "grant" not in fields(permits, other_run)
    assert "grant" not in fields(permits, line=DEV)
    assert "grant" not in fields(permits, now=NOW + 901)


@pytest.mark.parametrize("more", ["config=/mine", "home=/mine", "AWS_ROLE_ARN=x", "XDG_CONFIG_HOME=/mine"])
def test_a_permit_and_a_lease_are_for_what_the_profile_meant(permits: Permits, more: str) -> None:
    name = more.partition("=")[0]
    other = " ".join([word for word in LINE.split(" ") if not word.startswith(f"{name}=")] + [more])
    permits.allow(ask(permits)[0], PERSON, 900, {}, NOW)
    assert "grant" in fields(permits, line=f"{LINE} AWS_REGION=eu-west-1")
    assert "grant" not in fields(permits, line=other)
    permits.lease(actor("person", 11, 1), [LINE], {}, 3600, NOW)
    assert fields(permits, line=other)["grant"] == "none"


def test_once_is_for_the_one_process(permits: Permits) -> None:
    number, _ = ask(permits)
    permits.allow(number, PERSON, None, {}, NOW)
    assert "grant" in fields(permits)
    assert "grant" not in fields(permits, actor("coding-agent", 30, 20, 11, 1, root=20))


def test_a_permit_ends_with_its_process(permits: Permits, monkeypatch: pytest.MonkeyPatch) -> None:
    number, _ = ask(permits)
    permits.allow(number, PERSON, 900, {}, NOW)
    monkeypatch.setattr(module, "is_alive", lambda process: False)
    assert "grant" not in fields(permits)


def test_a_marked_line_counts_only_as_long_as_its_permit(permits: Permits) -> None:
    number, _ = ask(permits)
    permit = permits.allow(number, PERSON, 900, {}, NOW)
    line = f"prod config=/c grant={permit.number}"
    assert permits.counts(line, NOW)
    assert permits.counts("prod config=/c", NOW)
    permits.end(permit.number, PERSON)
    assert not permits.counts(line, NOW)


def test_an_approval_can_be_read_only(permits: Permits) -> None:
    number, _ = ask(permits)
    permits.allow(number, PERSON, 900, READ_ONLY, NOW)
    assert fields(permits)["read-only"] == "no-secrets"
    assert fields(permits, line=f"{LINE} read-only=1")["read-only"] == "no-secrets"
    assert fields(permits, line=f"{LINE} policy=x")["grant"] == "none"


@pytest.mark.parametrize(
    "by",
    [
        pytest.param(CLAUDE, id="itself"),
        pytest.param(actor("coding-agent", 60, 1, terminal=9), id="another coding agent"),
        pytest.param(actor("background", 60, 1, terminal=9), id="background"),
        pytest.param(actor("person", 60, 1, terminal=0), id="no terminal"),
        pytest.param(actor("person", 60, 20, 11, 1, terminal=9), id="below what asks"),
        pytest.param(actor("person", 60, 22, 1, terminal=9), id="below the asking process"),
        pytest.param(actor("person", 60, 11, 1, terminal=3), id="its terminal"),
    ],
)
@pytest.mark.parametrize("how", ["allow", "deny"])
def test_only_a_person_elsewhere_can_answer(permits: Permits, by: Actor, how: str) -> None:
    number, waiting = ask(permits)
    answers: dict[str, Callable[[], object]] = {
        "allow": lambda: permits.allow(number, by, 900, {}, NOW),
        "deny": lambda: permits.deny(number, by, NOW, always=False),
    }
    with pytest.raises(RefusedError):
        answers[how]()
    assert waiting.answers == []
    assert "grant" not in fields(permits)


def test_a_question_without_an_answer_is_refused_in_the_end(permits: Permits) -> None:
    number, waiting = ask(permits)
    assert permits.open(NOW + PATIENCE - 1)
    assert not permits.open(NOW + PATIENCE)
    assert waiting.answers == ["no person has answered"]
    with pytest.raises(KeyError):
        permits.allow(number, PERSON, 900, {}, NOW + PATIENCE)


def test_a_refusal_reaches_all_that_wait(permits: Permits) -> None:
    number, first = ask(permits)
    same, second = ask(permits)
    assert number == same
    permits.deny(number, PERSON, NOW, always=False)
    assert first.answers == second.answers == ["a person has refused it"]


def test_a_program_can_be_refused_for_good(permits: Permits) -> None:
    permits.deny(ask(permits)[0], PERSON, NOW, always=True)
    with pytest.raises(RefusedError, match="was refused"):
        ask(permits)


def test_many_questions_of_one_run_become_one(permits: Permits) -> None:
    numbers = [ask(permits, f"p{index} config=/c")[0] for index in range(1000)]
    assert len(permits.open(NOW)) == 3
    permit = permits.allow(max(numbers), PERSON, 900, {}, NOW)
    assert len(permit.subjects) == 998


def test_a_question_that_is_not_waited_for_is_gone(permits: Permits) -> None:
    waiting = Waiting()
    permits.ask(CLAUDE, LINE, "about", "", NOW, waiting)
    permits.leave(waiting)
    assert permits.open(NOW) == []


def test_a_lease_gives_what_is_below_it_that_and_nothing_else(permits: Permits) -> None:
    holder = actor("person", 11, 1)
    lease = permits.lease(holder, [LINE], READ_ONLY, 3600, NOW)
    assert fields(permits) == {"actor": "label", "grant": str(lease.number), **READ_ONLY}
    assert fields(permits, line=DEV)["grant"] == "none"
    below = actor("person", 70, 11, 1)
    assert fields(permits, below, DEV)["grant"] == "none"
    assert "grant" not in fields(permits, PERSON)


def test_an_approval_does_not_widen_a_lease(permits: Permits) -> None:
    permits.lease(actor("person", 11, 1), [DEV], {}, 3600, NOW)
    number, _ = ask(permits)
    permits.allow(number, PERSON, 900, {}, NOW)
    assert fields(permits)["grant"] == "none"


@pytest.mark.parametrize("by", [CLAUDE, actor("background", 60, 1)])
def test_only_a_person_gives_a_lease(permits: Permits, by: Actor) -> None:
    with pytest.raises(RefusedError, match="only a person"):
        permits.lease(by, [LINE], {}, 3600, NOW)


@pytest.mark.parametrize(
    ("profiles", "narrowing", "is_allowed"),
    [
        ([LINE], READ_ONLY, True),
        ([LINE, DEV], READ_ONLY, False),
        ([LINE], {}, False),
        ([LINE], {"policy": "x"}, False),
    ],
)
def test_a_lease_in_a_lease_can_only_be_narrower(
    permits: Permits, profiles: list[str], narrowing: dict[str, str], is_allowed: bool
) -> None:
    permits.lease(actor("person", 11, 1), [LINE], READ_ONLY, 600, NOW)
    if is_allowed:
        inner = permits.lease(CLAUDE, profiles, narrowing, 3600, NOW)
        assert inner.until == NOW + 600
        return
    with pytest.raises(RefusedError, match="narrower"):
        permits.lease(CLAUDE, profiles, narrowing, 3600, NOW)


def test_only_a_person_ends_a_permit(permits: Permits) -> None:
    lease = permits.lease(actor("person", 11, 1), [LINE], {}, 600, NOW)
    with pytest.raises(RefusedError):
        permits.end(lease.number, CLAUDE)
    permits.end(lease.number, PERSON)
    assert permits.living(NOW) == []


def test_below_an_ended_lease_nothing_is_had_unasked(permits: Permits) -> None:
    shell = actor("person", 11, 1)
    child = actor("person", 30, 11, 1)
    lease = permits.lease(shell, [LINE], {}, 600, NOW)
    assert fields(permits, child)["grant"] == str(lease.number)
    assert fields(permits, child, now=NOW + 601)["grant"] == "ended"
    with pytest.raises(RefusedError, match="has ended"):
        permits.lease(child, [LINE], {}, 600, NOW + 602)
    number, _ = ask(permits)
    permits.allow(number, PERSON, 900, {}, NOW)
    assert fields(permits)["grant"].isdigit()


def test_locking_voids_every_permit(permits: Permits) -> None:
    permits.lease(actor("person", 11, 1), [LINE], {}, 600, NOW)
    number, _ = ask(permits, by=actor("coding-agent", 40, 41))
    permits.allow(number, PERSON, 900, {}, NOW)
    permits.void()
    assert permits.living(NOW) == []
    assert fields(permits)["grant"] == "ended"


def test_a_thousand_questions_wait_in_a_few(permits: Permits) -> None:
    runs = [actor("coding-agent", pid, program=f"robo{pid}") for pid in range(200, 210)]
    for number in range(1000):
        ask(permits, f"profile{number} config=/c", runs[number % 10])
    assert len(permits.open(NOW)) == 10 * module.QUESTIONS_A_MINUTE
    with pytest.raises(RefusedError, match="too many questions"):
        for pid in range(1000, 1000 + module.OPEN):
            ask(permits, by=actor("coding-agent", pid))


def test_an_answer_is_for_what_was_shown_with_its_number(permits: Permits) -> None:
    first = [ask(permits, f"profile{number} config=/c")[0] for number in range(module.QUESTIONS_A_MINUTE)]
    added, waiting = ask(permits, "prod config=/c")
    with pytest.raises(KeyError):
        permits.allow(first[-1], PERSON, 900, {}, NOW)
    assert added not in first and waiting.answers == []
    permits.allow(added, PERSON, 900, {}, NOW)
    assert waiting.answers == [""]


def test_permits_outlive_the_agents_becoming_fresh(permits: Permits) -> None:
    lease = permits.lease(actor("person", os.getpid(), 1), [LINE], READ_ONLY, 600, NOW)
    fresh = Permits()
    fresh.restore(json.loads(json.dumps(permits.state())))
    assert fresh.living(NOW) == [lease]
    assert fresh.lease(PERSON, [DEV], {}, 1, NOW).number > lease.number
