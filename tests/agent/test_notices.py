"""The agent says on the desktop, once, that the session of a living shell will need a person."""

from pathlib import Path

import pytest

from shellvault.agent.memory import Entry
from shellvault.agent.server import Agent

NOW = 1_000_000.0


def entry(profile: str, needs_you_at: float | None) -> Entry:
    times = {
        "issued_at": 0,
        "expires_at": NOW + 3000,
        "usable_until": NOW + 3000,
        "needs_you_at": needs_you_at,
    }
    return Entry({"profile": profile, "files": {}, "texts": {}, **times}, None)


def test_it_is_said_once_from_ten_minutes_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = Agent(tmp_path, ("true",), {})
    said: list[tuple[str, str]] = []
    monkeypatch.setattr(agent.approvals, "notify", lambda *words: said.append(words))
    ends = {"soon": NOW + 599, "a\x1bb": NOW + 30, "later": NOW + 601, "over": NOW - 1, "never": None}
    for profile, end in ends.items():
        agent.memory.put(profile, entry(profile, end))
    for _ in range(2):
        agent._announce(set(ends) | {"unknown"}, NOW)
    assert sorted(said) == [
        ("a\\x1bb needs you in <1m", "shellvault use a\\x1bb"),
        ("soon needs you in 9m", "shellvault use soon"),
    ]
    agent.memory.put("soon", entry("soon", NOW + 500))
    agent._announce({"soon"}, NOW)
    assert said[-1] == ("soon needs you in 8m", "shellvault use soon")
    said.clear()
    agent._announce(set(), NOW)
    assert said == []
