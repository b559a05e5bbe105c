"""The users of a lease, and when the agent revokes it: with a clock that the test moves."""

import os
import subprocess
from collections.abc import Iterator

import pytest

from shellvault.agent import processes
from shellvault.agent.leases import UNUSED_FOR, Lease, Leases
from shellvault.agent.processes import Process
from shellvault.protocol import Message

NOW = 1_000_000.0
LINE = "deploy config=/c home=/h"


def note(name: str = "aws/creds/deploy/1", **changes: object) -> Message:
    return {"id": name, "revocable": True, "profile": "deploy", "expires_at": NOW + 7200} | changes


@pytest.fixture
def leases() -> Leases:
    found = Leases()
    found.hold([note()], LINE, NOW)
    return found


@pytest.fixture
def program() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as running:
        yield running
        running.kill()


def alive(pid: int) -> Process:
    found = processes.find(pid)
    assert found
    return found


def ids(found: list[Lease]) -> list[str]:
    return [lease.note["id"] for lease in found]


def test_a_shell_that_uses_its_line_has_it(leases: Leases) -> None:
    assert leases.left_by(LINE, {LINE}) == []
    assert ids(leases.left_by(LINE, set())) == ["aws/creds/deploy/1"]
    assert leases.left_by("other config=/c", set()) == []


def test_a_program_has_it_for_as_long_as_it_runs(leases: Leases, program: subprocess.Popen[bytes]) -> None:
    leases.handed_out(["aws/creds/deploy/1"], alive(program.pid), NOW)
    assert leases.left_by(LINE, set()) == []
    program.kill()
    program.wait()
    assert leases.left_by(LINE, set())


def test_a_user_that_cannot_be_seen_keeps_it_to_its_end(leases: Leases) -> None:
    leases.handed_out(["aws/creds/deploy/1"], None, NOW)
    assert leases.left_by(LINE, set()) == leases.unused(set(), NOW + UNUSED_FOR * 4) == []
    assert ids(leases.of(None)) == ["aws/creds/deploy/1"], "only an explicit request ends it"


def test_an_unused_lease_is_revoked_after_15_minutes(leases: Leases) -> None:
    assert leases.unused({LINE}, NOW + UNUSED_FOR * 2) == []
    assert leases.unused(set(), NOW + UNUSED_FOR * 3 - 1) == []
    assert ids(leases.unused(set(), NOW + UNUSED_FOR * 3)) == ["aws/creds/deploy/1"]


def test_one_that_is_being_revoked_is_not_revoked_again(leases: Leases) -> None:
    (lease,) = leases.of(None)
    lease.is_going = True
    assert leases.left_by(LINE, set()) == leases.of(None) == leases.unused(set(), NOW + UNUSED_FOR) == []


def test_a_failed_revocation_is_shown_and_retried_on_request(leases: Leases) -> None:
    (lease,) = tried = leases.of(None)
    lease.is_going = True
    leases.note_end({"result": {"revoked": [], "kept": [{"id": lease.note["id"], "why": "sealed"}]}}, tried)
    assert leases.troubles() == [{"profile": "deploy", "expires_at": NOW + 7200, "why": "sealed"}]
    assert leases.unused(set(), NOW + UNUSED_FOR) == []
    assert leases.of(["deploy"]) == tried
    assert not leases
    leases.expire(NOW + 7200)
    assert leases.troubles() == []


def test_a_worker_that_died_over_it_is_trouble_too(leases: Leases) -> None:
    tried = leases.of(None)
    leases.note_end({"error": {"type": "AgentError", "message": "gone"}}, tried)
    assert leases.troubles()


def test_what_sts_gave_is_noted_and_never_revoked_by_itself() -> None:
    leases = Leases()
    leases.hold([note(revocable=False)], LINE, NOW)
    assert not leases
    assert leases.left_by(LINE, set()) == []
    assert ids(leases.of(["deploy"])) == ["aws/creds/deploy/1"]
    assert leases.of(["other"]) == []


def test_a_renewed_lease_is_the_same_one(leases: Leases) -> None:
    leases.hold([note(expires_at=NOW + 9000)], "above config=/c", NOW + 60)
    leases.expire(NOW + 8000)
    assert leases.left_by(LINE, {"above config=/c"}) == []
    assert ids(leases.of(None)) == ["aws/creds/deploy/1"]


def test_all_of_it_outlives_the_sessions(leases: Leases) -> None:
    leases.handed_out(["aws/creds/deploy/1"], alive(os.getpid()), NOW)
    again = Leases()
    again.restore(leases.state())
    assert again.state() == leases.state()
    assert again.left_by(LINE, set()) == []


def test_after_lock_no_user_is_seen(leases: Leases) -> None:
    leases.lose_sight()
    assert leases.unused(set(), NOW + UNUSED_FOR) == []
