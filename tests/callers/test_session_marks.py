"""How a coding agent's session is named and tagged: patterns of config.toml, and what AWS takes."""

import os
import re

import pytest

from shellvault.actors import Actor, Process
from shellvault.agent.memory import Memory
from shellvault.callers import Label, fields_of, tag_value
from shellvault.errors import ConfigError
from shellvault.session_marks import filled, marking, tags_of

AGENT = Label("coding-agent", "claude-code", "7f3a")
USUAL = marking({})


def test_the_usual_marks_show_person_program_run_and_reason() -> None:
    assert filled(USUAL.session_name, "ada", AGENT) == "ada+claude-code+7f3a"
    assert filled(USUAL.source_identity, "ada", AGENT) == "ada"
    assert tags_of(USUAL, AGENT, "deploy") == (
        ("actor", "coding-agent"),
        ("program", "claude-code"),
        ("reason", "deploy"),
    )
    assert not USUAL.is_required


def test_a_mark_can_be_left_out() -> None:
    found = marking({"source_identity": "", "tags": "program", "refused": "refuse"})
    assert filled(found.source_identity, "ada", AGENT) == ""
    assert tags_of(found, AGENT, "deploy") == (("program", "claude-code"),)
    assert found.is_required


@pytest.mark.parametrize(
    "pattern", [USUAL.session_name, "{user}", "{user}{user}={run}", "x{program}" * 9, "{run}"]
)
@pytest.mark.parametrize("person", ["a", "ada", "a" * 64])
def test_each_pattern_gives_a_name_that_aws_takes(pattern: str, person: str) -> None:
    assert re.fullmatch(r"[\w+=,.@-]{2,64}", filled(pattern, person, AGENT), re.ASCII)


def test_a_long_person_leaves_room_for_the_program() -> None:
    assert filled(USUAL.session_name, "a" * 64, AGENT).endswith("a+claude-code+7f3a")


@pytest.mark.parametrize(
    "given",
    [
        {"session_name": ""},
        {"session_name": "a b"},
        {"session_name": "{who}"},
        {"source_identity": "é"},
        {"tags": "team"},
        {"refused": "maybe"},
        {"name": "x"},
    ],
)
def test_a_pattern_that_aws_would_refuse_is_an_error(given: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"\[marks\] in config.toml"):
        marking(given)


@pytest.mark.parametrize("text", ["fix: bug #12 (urgent)", "é" * 300, "\x1b[2J\udc80", " x "])
def test_a_reason_becomes_a_tag_that_aws_takes(text: str) -> None:
    found = tag_value(text)
    assert 0 < len(found) <= 256
    assert re.fullmatch(r"[\w\s.:/=+@-]*", found)


@pytest.mark.parametrize(
    ("kind", "has_reason"), [("coding-agent", True), ("background", False), ("person", False)]
)
def test_the_reason_of_a_coding_agent_is_part_of_its_request(kind: str, has_reason: bool) -> None:
    process = Process(7, "1")
    actor = Actor(kind, "claude-code", process, (process,), ("claude",), (0,))  # type: ignore[arg-type]
    assert fields_of(actor, "deploy").get("reason") == ("deploy" if has_reason else None)


def test_a_shell_renews_its_session_with_its_first_reason() -> None:
    memory, pid = Memory(), os.getpid()
    memory.register(pid, "work actor=coding-agent:claude-code:7f3a config=/c reason=fix%20it")
    assert memory.reason_of(pid, "work config=/c") == "fix it"
    assert memory.reason_of(pid, "other config=/c") == memory.reason_of(None, "work config=/c") == ""
