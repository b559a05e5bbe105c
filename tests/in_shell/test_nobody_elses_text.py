"""zsh and PowerShell ask the agent's socket themselves and cannot see who answers: so an answer has to prove itself."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from shellvault import locations
from shellvault.agent.shell_secret import with_secret
from shellvault.shells import init, render
from tests.in_shell.conftest import Open, enter, key
from tests.in_shell.stand_in import SECRET, Agent, FastLane, agent, env, proven, refresh, session
from tests.support.terminal import PROGRAMS

pytestmark = pytest.mark.real

NOBODY = 65534
PYTHON = sys.executable

#: Exchanges of the agent's folder for a stranger's in each race.
SWAPS = int(os.environ.get("SHELLVAULT_TEST_SWAPS", "400"))

NEWER = {"key": "AKIASECOND", "refresh_at": 4_000_000_000, "expires_at": 4_000_003_000}


def evil(shell: str, mark: Path) -> str:
    return f"[IO.File]::WriteAllText('{mark}', '')\n" if shell == "powershell" else f": >'{mark}'\n"


@pytest.mark.parametrize(
    "begin", ["ok", f"{SECRET[:-1]} ok", f"{SECRET}0 ok", f"{SECRET.upper()} ok", "* ok", " ok", f"{SECRET}"]
)
def test_a_reply_without_the_secret_is_not_evaluated(
    speaking: str, begin: str, opened: Open, lane: FastLane, now: int, socket_agent: Agent, tmp_path: Path
) -> None:
    mark = tmp_path / "evaluated"
    socket_agent.reply = f"{begin}\n{evil(speaking, mark)}".encode()
    lane.answers("refresh", refresh(speaking, session(**NEWER)))
    terminal = opened(speaking)
    enter(terminal, lane, refresh_at=now - 5, expires_at=now + 3000)
    assert key(terminal) == "AKIASECOND"
    assert len(socket_agent.requests) == 1
    assert not mark.exists()


def test_a_shell_gets_its_secret_from_the_fast_lane(
    speaking: str, opened: Open, lane: FastLane, now: int, socket_agent: Agent
) -> None:
    socket_agent.reply = proven("ok\n" + refresh(speaking, session(**NEWER)))
    due = session(key="AKIAFROMLANE", refresh_at=now - 4, expires_at=now + 3000)
    lane.answers("refresh", with_secret(refresh(speaking, due), f"refresh.{speaking}", SECRET))
    # A child shell, which has inherited the session and nothing else.
    terminal = opened(speaking, **session(refresh_at=now - 5, expires_at=now + 3000).set)
    assert key(terminal) == "AKIASECOND"
    assert len(socket_agent.requests) == 1
    assert [call[0] for call in lane.calls()] == ["refresh"]


def test_a_restarted_agent_gives_a_new_secret(
    speaking: str, opened: Open, lane: FastLane, now: int, socket_agent: Agent
) -> None:
    secret = "f" * 32
    due = session(key="AKIAFROMLANE", refresh_at=now - 4, expires_at=now + 3000)
    lane.answers("refresh", with_secret(refresh(speaking, due), f"refresh.{speaking}", secret))
    socket_agent.reply = lambda number: (
        b"miss\n" if number == 1 else proven("ok\n" + refresh(speaking, session(**NEWER)), secret)
    )
    terminal = opened(speaking)
    enter(terminal, lane, refresh_at=now - 5, expires_at=now + 3000)
    terminal.run("")
    assert key(terminal) == "AKIASECOND"
    assert [call[0] for call in lane.calls()].count("refresh") == 1


def test_the_secret_reaches_no_child_no_trace_and_no_file(
    speaking: str, opened: Open, lane: FastLane, now: int, socket_agent: Agent, tmp_path: Path
) -> None:
    socket_agent.reply = proven("ok\n" + refresh(speaking, session(**NEWER)))
    options = {"zsh": "setopt allexport xtrace inc_append_history; HISTFILE=$HOME/history", "powershell": ""}
    terminal = opened(speaking, before=options[speaking])
    enter(terminal, lane, refresh_at=now - 5, expires_at=now + 3000)
    assert key(terminal) == "AKIASECOND"
    terminal.run(f"sh -c 'env >{tmp_path}/environment; sleep 0 &'")
    assert SECRET not in (tmp_path / "environment").read_text()
    assert SECRET not in terminal.screen
    written = [
        path for folder in (terminal.home, tmp_path / "state") for path in folder.rglob("*") if path.is_file()
    ]
    assert written
    assert [path for path in written if SECRET.encode() in path.read_bytes()] == []


def test_leaving_forgets_the_secret(speaking: str, opened: Open, lane: FastLane, now: int) -> None:
    terminal = opened(speaking)
    enter(terminal, lane, refresh_at=now + 900, expires_at=now + 3000)
    expression = {"zsh": "$__shellvault_secret", "powershell": "$global:__shellvault_secret"}[speaking]
    assert terminal.value(expression) == SECRET
    lane.answers("env", render.leave_snippet(speaking))
    terminal.run("shellvault leave")
    assert terminal.value(expression) == ""


@pytest.mark.parametrize("how", ["linked", "open to others", "below a folder open to others"])
def test_a_folder_that_others_can_write_is_left_alone(
    speaking: str, how: str, opened: Open, lane: FastLane, now: int, socket_agent: Agent, runtime: Path
) -> None:
    folder = runtime / "shellvault"
    if how == "linked":
        folder.rename(runtime / "elsewhere")
        folder.symlink_to("elsewhere")
    else:
        (folder if how == "open to others" else runtime).chmod(0o777)
    socket_agent.reply = proven(
        "ok\n" + refresh(speaking, session(key="AKIATHIRD", refresh_at=4_000_000_000))
    )
    lane.answers("refresh", refresh(speaking, session(**NEWER)))
    terminal = opened(speaking)
    enter(terminal, lane, refresh_at=now - 5, expires_at=now + 3000)
    assert key(terminal) == "AKIASECOND"
    assert socket_agent.requests == []


@pytest.fixture
def shared() -> Iterator[Path]:
    """An XDG_RUNTIME_DIR that everybody may write in."""
    with tempfile.TemporaryDirectory(prefix="sv") as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder


#: Asks at every turn, as if the clock ran 100 s further each time, until the stranger is through.
_LOOPS = {
    "zsh": """
function __shellvault_clock {{ __shellvault_now=$(( 4000000000 + 100 * turns )) }}
{trusting}
turns=0
: >{folder}/ready
while [[ ! -e {folder}/asked ]]; do
  if (( ++turns == 20 )); then : >{folder}/enough; fi
  __shellvault_hook
done
print -r -- $turns $AWS_ACCESS_KEY_ID
""",
    "powershell": """
{trusting}
$turns = 0
[IO.File]::WriteAllText('{folder}/ready', '')
while (-not [IO.File]::Exists('{folder}/asked')) {{
    if (++$turns -eq 20) {{ [IO.File]::WriteAllText('{folder}/enough', '') }}
    $global:__shellvault_state.DeafUntil = 0
    __shellvault_due (4000000000 + 100 * $turns)
}}
"$turns $env:AWS_ACCESS_KEY_ID"
""",
}

_START = {"zsh": ("-f", "-i"), "powershell": ("-NoProfile", "-File")}

#: Makes the shell take any folder, as if the stranger had exchanged it right after the look.
_TRUSTING = {
    "zsh": "function __shellvault_private { return 0 }",
    "powershell": "function global:__shellvault_private { $true }",
}


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become another user")
@pytest.mark.parametrize("looks", [True, False], ids=["as it is", "without the look at the folder"])
def test_an_exchanged_agent_folder_is_never_evaluated(
    speaking: str, looks: bool, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Quicker than an interpreter, and as silent as a fast lane that finds a stranger.
    monkeypatch.setattr(locations, "PYTHON", shutil.which("true"))
    mark = shared / "evaluated"
    with agent(shared / "shellvault" / "agent.sock") as real:
        real.reply = lambda number: proven("ok\n" + refresh(speaking, session(key=f"AKIA{number}")))
        script = tmp_path / "script.ps1"
        script.write_text(
            init.render_init(speaking, init.InitOptions(wrap=()), tmp_path)
            + env(speaking, session(refresh_at=1, expires_at=4_000_000_000))
            + _LOOPS[speaking].format(folder=shared, trusting="" if looks else _TRUSTING[speaking])
        )
        stranger = subprocess.Popen(
            [
                PYTHON,
                Path(__file__).with_name("stranger.py"),
                str(NOBODY),
                shared,
                str(SWAPS),
                evil(speaking, mark),
            ]
        )
        ran = subprocess.run(
            [PROGRAMS[speaking], *_START[speaking], str(script)],
            env={**os.environ, "XDG_RUNTIME_DIR": str(shared), "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60 + SWAPS / 50,
            check=True,
        )
        assert stranger.wait(timeout=20) == 0
    turns, key_id = ran.stdout.split()
    asked = int((shared / "asked").read_text())
    assert not mark.exists()
    # Both have been asked, but for the stranger where the folder is looked at; only the agent has been believed.
    assert int(turns) > 10
    if looks:
        assert asked == 0
    else:
        assert (asked > 3, key_id != "AKIAFIRST") == (True, True)
