"""The prompt costs no process: counted by strace, over a hundred prompts and over twenty refreshes."""

import shutil
import time
from pathlib import Path

import pytest

from shellvault.shells import init, render
from tests.in_shell.conftest import Open, key
from tests.in_shell.stand_in import USUAL, Agent, FastLane, env, proven, refresh, session
from tests.support.terminal import Terminal

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace"),
]

_TRACE = ("strace", "-f", "-qq", "-e", "trace=clone,clone3,fork,vfork,execve", "-o")


def _started(trace: Path, since: int) -> list[str]:
    """The processes (not threads) started in the trace after its first `since` lines."""
    lines = trace.read_text().splitlines()[since:]
    return [
        line
        for line in lines
        if "CLONE_THREAD" not in line and "resumed" not in line and "exited" not in line
    ]


def _count(trace: Path) -> int:
    return len(trace.read_text().splitlines())


def _prompts(terminal: Terminal, count: int) -> None:
    for _ in range(count):
        terminal.type("")
    terminal.run("")


def test_a_hundred_prompts_start_no_process(
    shell: str, opened: Open, lane: FastLane, now: int, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    text = (
        init.render_init(shell, USUAL, tmp_path)
        + "\n"
        + render.env_snippet(shell, session(refresh_at=now + 9000, expires_at=now + 9900))
    )
    if shell == "fish":
        # The one that comes with fish asks git.
        text = "function fish_prompt; echo '> '; end\n" + text
    terminal = opened(shell, text=text, under=[*_TRACE, str(trace)])
    _prompts(terminal, 2)
    before = _count(trace)
    _prompts(terminal, 100)
    assert key(terminal) == "AKIAFIRST"
    assert _started(trace, before) == []
    assert lane.calls() == []


def test_twenty_refreshes_start_no_process(
    speaking: str, opened: Open, lane: FastLane, tmp_path: Path, socket_agent: Agent
) -> None:
    """Against a stand-in for the agent, whose sessions are due again as soon as they are given."""
    trace = tmp_path / "trace"
    start = int(time.time()) - 1000

    def answer(number: int) -> bytes:
        change = session(key=f"AKIA{number}", refresh_at=start + number, expires_at=start + 9000)
        return proven("ok\n" + refresh(speaking, change))

    socket_agent.reply = answer
    first = env(speaking, session(refresh_at=start, expires_at=start + 9000))
    text = init.render_init(speaking, USUAL, tmp_path) + "\n" + first
    terminal = opened(speaking, text=text, under=[*_TRACE, str(trace)])
    _prompts(terminal, 1)
    before, asked = _count(trace), len(socket_agent.requests)
    _prompts(terminal, 20)
    assert len(socket_agent.requests) >= asked + 20
    assert key(terminal).startswith(("AKIA2", "AKIA3", "AKIA4", "AKIA5"))
    assert _started(trace, before) == []
    assert lane.calls() == []
