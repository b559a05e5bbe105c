"""Rules in an open shell: `use` below a coding agent, and a person with read-only sessions alone."""

import sys
from collections.abc import Iterator

import pytest

from tests.end_to_end.conftest import Person
from tests.end_to_end.test_callers import READ_ONLY, by_the_agent, in_terminal, question
from tests.end_to_end.test_callers import admin as admin
from tests.end_to_end.test_callers import one as one
from tests.support.terminal import Terminal, terminal

pytestmark = pytest.mark.real

WHOSE = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"


@pytest.fixture
def its(admin: Person) -> Iterator[Terminal]:
    """A shell with `init` that a coding agent has opened."""
    inner = admin.home.path / "inner"
    inner.write_text('PS1="$ "; eval "$(shellvault init bash)"\n')
    start = f"export CLAUDECODE=1\nexec bash --noprofile --rcfile {inner} -i"
    with terminal(admin.home, "bash", start) as opened:
        yield opened


@by_the_agent
def test_use_below_a_coding_agent_keeps_to_its_rule(admin: Person, one: Terminal, its: Terminal) -> None:
    admin.home.set_rules(coding_agent="read-only")
    its.run("shellvault use admin")
    assert its.value("$SHELLVAULT_NARROWED") == "ro"
    assert its.printed(f"{sys.executable} try.py {admin.user}-used") == "allowed AccessDenied"
    its.run("shellvault leave")
    assert its.value("$AWS_ACCESS_KEY_ID$AWS_EXECUTION_ENV") == ""
    admin.home.set_rules(coding_agent="refuse")
    assert "claude-code may not use admin" in its.printed("shellvault use admin")
    assert its.value("$AWS_ACCESS_KEY_ID") == ""
    admin.home.set_rules(coding_agent="ask")
    its.type("shellvault use admin")
    one.run(f"shellvault approve {question(admin)}")
    its.run("")
    assert "+claude-code+" in its.printed(f'{sys.executable} -c "{WHOSE}"')
    assert its.value("$AWS_EXECUTION_ENV") == "shellvault-claude-code"
    assert dict(admin.front.marks[-1].tags)["program"] == "claude-code"


@by_the_agent
def test_a_person_can_have_read_only_sessions_alone(admin: Person, one: Terminal) -> None:
    admin.home.set_rules(person="read-only")
    for number, words in enumerate(("exec admin --", "exec --no-agent admin --", "exec --server admin --")):
        assert in_terminal(one, admin, words, f"p{number}") == READ_ONLY, words
    one.run('eval "$(shellvault env admin)"')
    assert one.value("$SHELLVAULT_NARROWED") == "ro"
    assert one.printed(f"{sys.executable} try.py {admin.user}-env") == "allowed AccessDenied"
    assert admin.front.marks[-1].tags == ()
    one.run("shellvault leave")
    # AWS narrows no session of a user's keys.
    assert "cannot be narrowed" in one.printed("shellvault exec work -- true")
