"""`refresh`, which the prompt hooks of bash and fish call: at once, silent, and never a question."""

import ast
import os
import socket
import time
from pathlib import Path

import pytest

from shellvault import __version__
from tests.fastlane.agent_stand_in import StandIn
from tests.fastlane.conftest import Lane

REQUEST = "work config=/home/x/.aws/config home=/home/x"
READY, NOT_READY, NEEDS_YOU = 0, 75, 77


@pytest.fixture(autouse=True)
def entered(lane: Lane) -> None:
    """The shell has a session."""
    lane.environment["SHELLVAULT_REQUEST"] = REQUEST


def test_the_snippet_is_printed_when_the_agent_has_it(lane: Lane, agent: StandIn) -> None:
    done = lane.run("refresh", "fish", "4711")

    assert (done.returncode, done.stdout, done.stderr) == (READY, b"text of refresh.fish\n", b"")
    assert agent.requests == [f"SV1 {__version__} peek refresh.fish 4711 {REQUEST}"]


@pytest.mark.parametrize(
    ("reply", "status"),
    [(b"wait\n", NOT_READY), (b"miss\n", NOT_READY), (b"needs-you\n", NEEDS_YOU), (b"nonsense", NOT_READY)],
)
def test_without_a_snippet_the_status_says_why(lane: Lane, agent: StandIn, reply: bytes, status: int) -> None:
    agent.answer = lambda line: reply
    done = lane.run("refresh", "bash", "4711")

    assert (done.returncode, done.stdout, done.stderr) == (status, b"false\n", b"")


def test_a_hanging_agent_delays_the_prompt_briefly(lane: Lane, agent: StandIn) -> None:
    agent.answer = lambda line: None
    lane.run("refresh", "bash", "1")
    taken = []
    for _ in range(3):
        started = time.monotonic()
        assert lane.run("refresh", "bash", "4711").returncode == NOT_READY
        taken.append(time.monotonic() - started)

    assert min(taken) < 0.3


def test_an_agent_that_answers_byte_by_byte_delays_it_no_longer(lane: Lane) -> None:
    path = Path(lane.environment["XDG_RUNTIME_DIR"], "shellvault", "agent.sock")
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(0)
        # The queue of connections is full: connecting does not fail, it has to wait.
        with socket.socket(socket.AF_UNIX) as first:
            first.connect(str(path))
            started = time.monotonic()
            assert lane.run("refresh", "bash", "4711").returncode == NOT_READY
            assert time.monotonic() - started < 1


@pytest.mark.parametrize("request_line", [None, "", "two\nlines", "ümlaut", "\x1b[2J"])
def test_an_invalid_request_asks_no_person(lane: Lane, agent: StandIn, request_line: str | None) -> None:
    del lane.environment["SHELLVAULT_REQUEST"]
    if request_line is not None:
        lane.environment["SHELLVAULT_REQUEST"] = request_line
    done = lane.run("refresh", "bash", "4711")

    assert (done.returncode, done.stdout, done.stderr) == (NOT_READY, b"false\n", b"")
    assert agent.requests == []


def test_a_missing_agent_is_started_without_waiting_for_it(lane: Lane) -> None:
    told = lane.directory / "told"
    _write_agent(
        lane,
        f"time.sleep(0.5); pathlib.Path({str(told)!r}).write_text(repr((os.getsid(0), dict(os.environ))))",
    )
    started = time.monotonic()
    done = lane.run("refresh", "bash", "4711")
    taken = time.monotonic() - started
    while not told.exists() or not told.read_text():
        assert time.monotonic() - started < 10
        time.sleep(0.01)

    assert (done.returncode, done.stdout, done.stderr) == (NOT_READY, b"false\n", b"")
    assert taken < 0.4
    session, environment = ast.literal_eval(told.read_text())
    assert session != os.getsid(0)
    assert {
        name: lane.environment[name] for name in ("HOME", "PATH", "XDG_RUNTIME_DIR")
    }.items() <= environment.items()


def _write_agent(lane: Lane, code: str) -> None:
    (lane.script.parent / "agent").mkdir()
    detach = "import os, pathlib, time\nos.setsid()\nif os.fork(): os._exit(0)\n"
    (lane.script.parent / "agent" / "__main__.py").write_text(f"{detach}{code}\n")


def test_an_unwanted_agent_is_not_started(lane: Lane) -> None:
    told = lane.directory / "told"
    _write_agent(lane, f"pathlib.Path({str(told)!r}).touch()")
    lane.environment["SHELLVAULT_NO_AGENT"] = "1"

    assert lane.run("refresh", "bash", "4711").returncode == NOT_READY
    time.sleep(0.3)
    assert not told.exists()
