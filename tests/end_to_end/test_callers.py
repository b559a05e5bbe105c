"""What a person allows to a coding agent, and a background program: questions, permits and leases, with the installed
command. `test_doors` has every kind of caller, rule and door.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count

import pytest

from tests.end_to_end.conftest import Person
from tests.end_to_end.test_narrowing import TRY
from tests.support.terminal import Terminal, terminal

pytestmark = pytest.mark.real

FULL, READ_ONLY, REFUSED = "full", "read-only", "refused"
CLOSED = "needs a person"

_NUMBERS = count()

#: What a coding agent sets for what it starts.
AGENT = {"CLAUDECODE": "1"}

#: Each door, as what a program runs to have a session there; the program that tries it follows.
DOORS = {
    "exec": 'exec shellvault exec admin -- "$@"',
    "exec --no-agent": 'exec shellvault exec --no-agent admin -- "$@"',
    "exec --server": 'exec shellvault exec --server admin -- "$@"',
    "env": 'eval "$(shellvault env --shell bash admin)" && exec "$@"',
    "export": 'eval "$(shellvault export --format export-env admin)" && exec "$@"',
    "credential_process": 'AWS_PROFILE=process exec "$@"',
}


@pytest.fixture
def admin(person: Person) -> Person:
    """A person whose profile `admin` is a role that may do everything; other programs reach it as `process`."""
    person.configure(
        f"[profile admin]\nsource_profile = work\nrole_arn = {person.role('admin')}\n"
        "[profile process]\ncredential_process = shellvault export admin --format json --prompt none\n"
        f"region = eu-central-1\nendpoint_url = {person.aws.endpoint}"
    )
    # Which no coding agent can do.
    person.home.succeed("unlock")
    return person


@pytest.fixture
def one(admin: Person) -> Iterator[Terminal]:
    """A terminal in which a person sits."""
    (admin.home.path / "try.py").write_text(TRY)
    with terminal(admin.home, "bash") as opened:
        yield opened


def in_terminal(shell: Terminal, person: Person, words: str, name: str) -> str:
    """What a person may do in a session had with these words."""
    out = shell.printed(f"shellvault {words} '{sys.executable}' try.py {person.user}-{name}")
    return {"allowed allowed": FULL, "allowed AccessDenied": READ_ONLY}.get(out, f"? {out}")


by_the_agent = pytest.mark.parametrize("person", ["agent"], indirect=True)


def start(person: Person, door: str, name: str, **environment: str) -> subprocess.Popen[str]:
    """Starts a program that takes a session at a door, and tries what it may do."""
    return person.home.start(
        "bash",
        "-c",
        DOORS[door],
        "-",
        sys.executable,
        "-c",
        TRY,
        f"{person.user}-{name}-{next(_NUMBERS)}",
        **environment,
    )


def got(done: "subprocess.Popen[str]") -> str:
    """What came of it."""
    out, err = done.communicate(timeout=60)
    if out == "allowed allowed\n":
        return FULL
    if out == "allowed AccessDenied\n":
        return READ_ONLY
    assert out == "", out
    if "is needed: a person is needed" in err:
        return CLOSED
    return REFUSED if "may not use" in err or "not be used" in err else f"? {err}"


def question(person: Person) -> int:
    """The number of the question that is open by now."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if found := json.loads(person.home.succeed("requests", "--json")):
            return int(found[0]["number"])
        time.sleep(0.1)
    raise AssertionError("no question is open")


@by_the_agent
@pytest.mark.parametrize("kind", ["coding_agent", "background"])
def test_a_warm_session_of_a_person_is_not_handed_to_others(admin: Person, one: Terminal, kind: str) -> None:
    admin.home.set_rules(**{kind: "refuse"})
    assert in_terminal(one, admin, "exec admin --", "person") == FULL
    for door in DOORS:
        marks = AGENT if kind == "coding_agent" else {}
        assert got(start(admin, door, "warm", **marks)).startswith(REFUSED), door
    assert in_terminal(one, admin, "exec admin --", "again") == FULL


@by_the_agent
def test_production_asks_for_background_by_default(admin: Person) -> None:
    admin.configure(f"[profile prod]\nsource_profile = work\nrole_arn = {admin.role('prod')}")
    waiting = admin.home.start("shellvault", "exec", "prod", "--", "true")
    assert question(admin)
    waiting.kill()
    waiting.communicate()
    admin.configure("shellvault_callers = background:allow")
    admin.home.succeed("exec", "prod", "--", "true")


@by_the_agent
def test_a_coding_agent_asks_and_a_person_decides(admin: Person, one: Terminal) -> None:
    first = start(admin, "exec", "first", **AGENT)
    number = question(admin)
    assert "claude-code wants admin (account " in one.printed("shellvault requests")
    one.run(f"shellvault approve {number}")
    assert got(first) == FULL
    # That was for one run of the program, and this is another.
    second = start(admin, "exec", "second", **AGENT)
    one.run(f"shellvault approve --read-only {question(admin)}")
    assert got(second) == READ_ONLY
    third = start(admin, "env", "third", **AGENT)
    one.run(f"shellvault deny {question(admin)}")
    assert "a person has refused it" in got(third)
    assert "no program waits" in one.printed("shellvault requests")


#: What coding agents set for the tools that they start (gemini-cli 0.61 does so without its service), and their names.
STARTED = {
    "gemini-cli": {"GEMINI_CLI": "1", "GEMINI_CLI_NO_RELAUNCH": "true"},
    "codex": {"CODEX_THREAD_ID": "0199", "CODEX_SANDBOX": "seatbelt"},
    "claude-code": {"CLAUDECODE": "1", "CLAUDE_CODE_ENTRYPOINT": "cli"},
}


@by_the_agent
def test_what_coding_agents_start_asks(admin: Person, one: Terminal) -> None:
    for name, environment in STARTED.items():
        tool = admin.home.start("bash", "-c", "shellvault exec admin -- true & wait", **environment)
        number = question(admin)
        assert f"{name} wants admin" in one.printed("shellvault requests")
        one.run(f"shellvault deny {number}")
        assert "a person has refused it" in tool.communicate(timeout=60)[1]


@by_the_agent
def test_an_approval_is_for_the_run_of_the_program(admin: Person, one: Terminal) -> None:
    twice = "shellvault exec admin -- true && shellvault exec admin -- true && echo both"
    run = admin.home.start("bash", "-c", twice, **AGENT)
    one.run(f"shellvault approve {question(admin)}")
    assert run.communicate(timeout=60)[0] == "both\n"


@by_the_agent
def test_what_asks_cannot_answer_itself(admin: Person, one: Terminal) -> None:
    waiting = start(admin, "exec", "self", **AGENT)
    number = question(admin)
    refused = "only a person at a terminal can answer"
    tries = (
        ("shellvault", "approve", str(number)),
        ("env", "-i", *(f"{name}={value}" for name, value in admin.home.environment.items()),
         "shellvault", "approve", str(number)),
        ("setsid", "nohup", "shellvault", "approve", str(number)),
    )  # fmt: skip
    for words in tries:
        done = admin.home.run(*words, **AGENT)
        assert refused in done.stderr, words
    with terminal(admin.home, "bash", "export CLAUDECODE=1\nbash --norc --noprofile -i; exit") as its:
        assert refused in its.printed(f"shellvault approve {number}")
    assert refused in admin.home.run("shellvault", "approve", str(number)).stderr
    one.run(f"shellvault deny {number}")
    assert "a person has refused it" in got(waiting)


@by_the_agent
def test_a_lease_gives_a_command_that_and_nothing_else(admin: Person, one: Terminal) -> None:
    admin.configure(f"[profile other]\nsource_profile = work\nrole_arn = {admin.role('other')}")
    script = admin.home.path / "agent.sh"
    script.write_text(
        "export CLAUDECODE=1\n"
        f"'{sys.executable}' try.py {admin.user}-given\n"
        f"shellvault exec admin -- '{sys.executable}' try.py {admin.user}-renewed\n"
        "shellvault exec other -- true 2>&1 | grep -o 'not part of this lease'\n"
        "(setsid sh -c 'sleep 1; shellvault exec admin -- true && echo orphan has it >orphan' &)\n"
        "sleep 3\n"
    )
    out = one.printed(f"shellvault exec --lease 1h admin -- bash {script}")
    assert out.splitlines() == ["allowed AccessDenied", "allowed AccessDenied", "not part of this lease"]
    assert (admin.home.path / "orphan").read_text() == "orphan has it\n"
    assert "no program has a lease" in one.printed("shellvault leases")


@by_the_agent
def test_a_full_lease_writes_and_ends_when_a_person_says_so(admin: Person, one: Terminal) -> None:
    script = admin.home.path / "agent.sh"
    script.write_text(
        f"export CLAUDECODE=1\n'{sys.executable}' try.py {admin.user}-f\nread _\n"
        "shellvault exec admin -- true\necho ended\n"
    )
    one.type(f"shellvault exec --lease 1h --full admin -- bash {script}")
    one.wait_for("allowed allowed")
    with terminal(admin.home, "bash") as two:
        number = json.loads(two.printed("shellvault leases --json"))[0]["number"]
        two.run(f"shellvault revoke {number}")
        one.type("")
        two.run(f"shellvault deny {question(admin)}")
    one.wait_for("a person has refused it")
    one.wait_for("ended")


@by_the_agent
def test_a_coding_agent_answers_no_question_and_handles_no_keys(admin: Person) -> None:
    admin.home.set_rules(coding_agent="allow")
    home = admin.home
    keys = {
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    }
    for words in (
        ("remove", "-f", "work"),
        ("rotate", "work"),
        ("unlock",),
        ("add", "--env", "--no-check", "other"),
        ("import", "--restore", "credentials"),
        ("passphrase",),
        ("migrate-backend", "--from", "file", "--to", "keyctl"),
        ("revoke", "work"),
        ("exec", "-t", "123456", "work", "--", "true"),
        ("exec", "-n", "work", "--", "true"),
        ("export", "-n", "work", "--format", "json"),
        ("agent", "stop"),
    ):
        for without in ({}, {"SHELLVAULT_NO_AGENT": "1"}):
            if without and words[0] in ("agent", "unlock"):
                continue
            done = home.run("shellvault", *words, **AGENT, **keys, **without)
            assert done.returncode, (words, without)
            assert "person" in done.stderr, (words, without, done.stderr)
    assert "work" in home.succeed("list")


@by_the_agent
def test_a_session_of_a_coding_agent_shows_it(admin: Person) -> None:
    admin.home.set_rules(coding_agent="read-only")
    shown = admin.home.run("shellvault", "exec", "admin", "--", "env", **AGENT).stdout
    assert "AWS_EXECUTION_ENV=shellvault-claude-code" in shown
    whose = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"
    arn = admin.home.run("shellvault", "exec", "admin", "--", sys.executable, "-c", whose, **AGENT).stdout
    assert arn.strip().rpartition("/")[2].split("+")[1:2] == ["claude-code"]
