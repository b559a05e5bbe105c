"""What a person takes for granted in a terminal: Ctrl-C, Ctrl-Z, lines that wrap, and places all parts agree on."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shellvault import locations
from shellvault.fastlane import connection
from shellvault.shells import init, render
from tests.in_shell.conftest import Open, enter, key
from tests.in_shell.stand_in import USUAL, FastLane, agent, proven, refresh, session, write_program
from tests.support.clients import need
from tests.support.terminal import PATIENCE, PROGRAMS, Terminal

pytestmark = pytest.mark.real

#: The shells that have job control.
WITH_JOBS = ("bash", "zsh", "fish")


def _wait(done: Callable[[], bool], terminal: Terminal | None = None) -> None:
    deadline = time.monotonic() + PATIENCE
    while not done():
        if terminal:
            terminal.drain()
        assert time.monotonic() < deadline, terminal.screen[-2000:] if terminal else "too late"
        time.sleep(0.05)


WAITING = """\
#!{python}
import pathlib, signal, sys, time

def end(number, frame):
    ready.unlink()
    sys.exit(42)

ready = pathlib.Path('{ready}')
signal.signal(signal.SIGINT, end)
ready.touch()
while True:
    time.sleep(60)
"""


@pytest.fixture
def waiting(programs: Path, tmp_path: Path) -> Path:
    """The file that shows that `aws` runs; the program waits for Ctrl-C, and ends with 42 then."""
    ready = tmp_path / "ready"
    # Not a shell script: one that is stopped while it starts a program (vfork) is not seen to be.
    write_program(programs / "aws", WAITING.format(python=sys.executable, ready=ready))
    return ready


@pytest.mark.parametrize("typed", ["aws s3", "aws --profile other s3"], ids=["itself", "exec"])
@pytest.mark.parametrize("shell", WITH_JOBS)
def test_ctrl_c_and_ctrl_z_reach_the_wrapped_program(
    shell: str, typed: str, opened: Open, waiting: Path, tmp_path: Path
) -> None:
    need(PROGRAMS[shell])
    (tmp_path / "config").write_text("[profile other]\n")
    terminal = opened(shell, AWS_CONFIG_FILE=str(tmp_path / "config"))
    status = terminal.home / "status"
    ask = f"echo {'$status' if shell == 'fish' else '$?'} >{status}"

    terminal.type(typed)
    _wait(waiting.exists, terminal)
    terminal.process.send("\x03")
    _wait(lambda: not waiting.exists(), terminal)
    terminal.run(ask)
    assert status.read_text() == "42\n"

    terminal.type(typed)
    _wait(waiting.exists, terminal)
    terminal.process.send("\x1a")
    terminal.run(f"jobs >{terminal.home / 'jobs'}")
    assert "topped" in (found := (terminal.home / "jobs").read_text()) or "suspended" in found
    terminal.type("fg")
    time.sleep(0.5)
    terminal.process.send("\x03")
    _wait(lambda: not waiting.exists(), terminal)
    terminal.run(ask)
    # After `fg` zsh has lost the status of what any function ran, and fish that of any program.
    assert status.read_text() == ("42\n" if shell == "bash" else "0\n")


@pytest.fixture
def screen() -> Iterator[Callable[..., str]]:
    """Runs tmux, 60 columns wide, and returns what it shows or prints."""
    tmux = str(need("tmux"))
    with tempfile.TemporaryDirectory(prefix="sv") as folder:
        socket = ("-S", f"{folder}/tmux", "-f", "/dev/null")

        def run(*words: str, **environment: str) -> str:
            given = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": folder, "TERM": "xterm-256color"}
            done = subprocess.run(
                [tmux, *socket, *words], env=given | environment, capture_output=True, text=True, timeout=20
            )
            assert done.returncode == 0, done.stderr
            return done.stdout

        yield run
        run("kill-server")


@pytest.mark.parametrize("shell", WITH_JOBS)
def test_a_long_line_wraps_at_the_right_column(
    shell: str, screen: Callable[..., str], lane: FastLane, tmp_path: Path, now: int
) -> None:
    path = need(PROGRAMS[shell])
    prompt = {
        "bash": "PS1='$ '",
        "zsh": "PROMPT='$ '",
        "fish": "function fish_prompt; echo '$ '; end; set -g fish_greeting; set -g fish_autosuggestion_enabled 0",
    }[shell]
    start_up = tmp_path / {"bash": "start-up", "zsh": ".zshrc", "fish": ".config/fish/config.fish"}[shell]
    (tmp_path / ".local/share/fish/generated_completions").mkdir(parents=True)
    start_up.parent.mkdir(parents=True, exist_ok=True)
    start_up.write_text(
        f"{prompt}\n{init.render_init(shell, USUAL, tmp_path)}\n"
        + render.env_snippet(shell, session(refresh_at=now + 900, expires_at=now + 47 * 60 + 50))
    )
    options = {"bash": f"--noprofile --rcfile {start_up} -i", "zsh": "-d -i", "fish": "-i"}[shell]
    screen("new-session", "-d", "-x", "60", "-y", "20", f"HOME={tmp_path} {path} {options}")
    _wait(lambda: "work 47m $" in screen("capture-pane", "-p"))
    typed = "".join(chr(ord("a") + number % 26) for number in range(130))
    screen("send-keys", "-l", typed)
    _wait(lambda: typed[-9:] in screen("capture-pane", "-p"))
    # Going back over both edges and changing the beginning makes the shell draw everything again.
    screen("send-keys", "C-a", "X")
    line = f"work 47m $ X{typed}"
    rows = [line[start : start + 60] for start in range(0, len(line), 60)]
    _wait(lambda: [row.rstrip() for row in screen("capture-pane", "-p").splitlines()][: len(rows)] == rows)


def test_input_passes_through_powershells_function(opened: Open, tmp_path: Path) -> None:
    need("pwsh")
    terminal = opened("powershell")
    terminal.run("'some input' | shellvault exec work -- aws x")
    assert (tmp_path / "shown").read_bytes() == b"x\1some input\n\1\2"


def test_a_powershell_chain_stops_where_the_function_failed(opened: Open, programs: Path) -> None:
    need("pwsh")
    terminal = opened("powershell")
    write_program(programs / "fails", "#!/bin/sh\nexit 3\n")
    write_program(programs / "works", '#!/bin/sh\n: >"$1"\n')
    first, second, third = (terminal.home / name for name in ("first", "second", "third"))
    terminal.run(f"shellvault exec work -- fails && works {first}")
    terminal.run(f"shellvault exec work -- works {second} && works {third}")
    assert [path.exists() for path in (first, second, third)] == [False, True, True]
    terminal.run("shellvault exec work -- fails")
    assert terminal.value("$LASTEXITCODE") == "3"


@pytest.mark.parametrize("length", [103, 104])
def test_all_parts_look_for_the_agent_in_the_same_place(
    speaking: str, length: int, opened: Open, lane: FastLane, tmp_path: Path, now: int
) -> None:
    """A socket's path of 103 bytes still fits everywhere; the letters of this one have two bytes each."""
    with tempfile.TemporaryDirectory(prefix="sv") as base, tempfile.TemporaryDirectory(prefix="sv") as state:
        missing = length - len(f"{base}//shellvault/agent.sock")
        runtime = Path(base, "ü" * (missing // 2) + "x" * (missing % 2))
        runtime.mkdir()
        given = {"XDG_RUNTIME_DIR": str(runtime), "XDG_STATE_HOME": state, "HOME": str(tmp_path)}
        place = runtime / "shellvault" if length == 103 else Path(state, "shellvault", "run")
        assert locations.socket_path(given) == Path(connection.socket_path(given)) == place / "agent.sock"
        place.rmdir()
        with agent(place / "agent.sock") as running:
            fresh = refresh(speaking, session(key="AKIASECOND", refresh_at=now + 4000, expires_at=now + 7300))
            running.reply = proven(b"ok\n" + fresh.encode())
            terminal = opened(speaking, XDG_RUNTIME_DIR=str(runtime), XDG_STATE_HOME=state)
            enter(terminal, lane, refresh_at=now - 5, expires_at=now + 3000)
            assert key(terminal) == "AKIASECOND"
            assert [call for call in lane.calls() if call[0] == "refresh"] == []


def test_a_relative_state_folder_is_ignored(shell: str, opened: Open, tmp_path: Path) -> None:
    """The XDG Base Directory Specification demands it; the names that are offered are the home's."""
    # PowerShell's wrapper is a shim, whose place `init` has written down.
    text = init.render_init(shell, replace(USUAL, wrap=()), tmp_path)
    terminal = opened(shell, text=text, XDG_STATE_HOME="relative")
    for folder, name in (("relative", "wrong"), (".local/state", "right")):
        names = terminal.home / folder / "shellvault" / "names"
        names.parent.mkdir(parents=True)
        names.write_text(f"{name}\n")
    if shell in ("bash", "zsh"):
        terminal.run("__shellvault_read_profiles")
    known = {"powershell": "(__shellvault_profiles) -join ' '", "fish": "$(__shellvault_profiles)"}
    assert terminal.value(known.get(shell, "${__shellvault_profiles[*]}")) == "right"


def test_leaving_removes_the_hook_that_env_brought(opened: Open, lane: FastLane, now: int) -> None:
    need("pwsh")
    mine = "function global:prompt { 'mine> ' }\n"
    brought = render.env_snippet("powershell", session(refresh_at=now + 900, expires_at=now + 3000))
    terminal = opened("powershell", text=mine + brought + init.hook_text("powershell"))
    assert "__shellvault_hook" in terminal.value("$function:prompt")
    (terminal.home / "leave").write_text(render.leave_snippet("powershell"))
    terminal.run("Invoke-Expression ([IO.File]::ReadAllText('leave'))")
    terminal.run("")
    assert terminal.value("$function:prompt").strip() == "'mine> '"
    assert terminal.value("@(Get-Item function:__shellvault_*, variable:*shellvault*).Count") == "0"
    assert "rror" not in terminal.screen


def test_init_after_env_shows_the_session_in_powershell(
    opened: Open, lane: FastLane, now: int, tmp_path: Path
) -> None:
    need("pwsh")
    brought = render.env_snippet("powershell", session(refresh_at=now + 900, expires_at=now + 47 * 60 + 50))
    text = brought + init.hook_text("powershell") + init.render_init("powershell", USUAL, tmp_path)
    terminal = opened("powershell", text=text)
    terminal.run("")
    assert "work 47m" in terminal.screen
