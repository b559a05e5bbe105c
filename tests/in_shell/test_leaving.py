"""`shellvault leave` needs nothing but the shell: no process, and no program."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from shellvault.shells import init
from shellvault.variables import Change
from tests.in_shell.conftest import Open
from tests.in_shell.stand_in import FastLane, env, session
from tests.in_shell.test_processes import _TRACE, _count, _started
from tests.support.terminal import Terminal

pytestmark = pytest.mark.real

BEFORE = {
    "bash": "export AWS_PROFILE='a  b' AWS_REGION= AWS_ROLE_ARN=$'x\\ny'; AWS_ENDPOINT_URL=unexported",
    "zsh": "export AWS_PROFILE='a  b' AWS_REGION= AWS_ROLE_ARN=$'x\\ny'; AWS_ENDPOINT_URL=unexported",
    "fish": "set -gx AWS_PROFILE 'a  b'; set -gx AWS_REGION ''; set -gx AWS_ROLE_ARN x\\ny;"
    " set -g AWS_ENDPOINT_URL unexported",
    "powershell": "$env:AWS_PROFILE = 'a  b'; $env:AWS_REGION = 'r'; $env:AWS_ROLE_ARN = \"x`ny\"",
}
#: How a session came into the shell: what is evaluated besides its `env` text.
ENTERED = ("init", "bare env")


def exported(terminal: Terminal) -> dict[str, str]:
    """What a program of this shell has of a session, and of what a session unsets."""
    place = terminal.home / "exported"
    code = f"import json, os; json.dump(dict(os.environ), open('{place}', 'w'))"
    call = "& " if terminal.shell == "powershell" else ""
    terminal.run(f'{call}{sys.executable} -c "{code}"')
    values: dict[str, str] = json.loads(place.read_text())
    return {name: value for name, value in values.items() if name.startswith(("AWS_", "SHELLVAULT"))}


def entered(opened: Open, lane: FastLane, shell: str, how: str, now: int, **changes: str) -> Terminal:
    """A terminal with a session; what its environment was before is in `lane.folder/before`."""
    text = init.render_init(shell, init.InitOptions(), lane.folder) if how == "init" else ""
    under = changes.pop("trace", "")
    terminal = opened(shell, text=text, under=[*_TRACE, under] if under else [])
    terminal.run(BEFORE[shell])
    (lane.folder / "before").write_text(json.dumps(exported(terminal)))
    plain = session(refresh_at=now + 9000, expires_at=now + 9900)
    values = {"AWS_SESSION_TOKEN": "a token", "AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "http://here"}
    change = Change({**plain.set, **values, **changes}, ("AWS_PROFILE", "AWS_ROLE_ARN"))
    snippet = env(shell, change) + (init.hook_text(shell) if how == "bare env" else "")
    (terminal.home / "session").write_text(snippet)
    load = ". ([scriptblock]::Create([IO.File]::ReadAllText('session')))"
    terminal.run(load if shell == "powershell" else "source ./session")
    assert "AWS_SESSION_TOKEN" in exported(terminal)
    return terminal


@pytest.mark.parametrize("how", ENTERED)
def test_leave_restores_everything_without_the_program(
    shell: str, how: str, opened: Open, lane: FastLane, now: int
) -> None:
    terminal = entered(opened, lane, shell, how, now)
    before = json.loads((lane.folder / "before").read_text())
    lane.script.unlink()
    terminal.run("shellvault leave")

    assert exported(terminal) == before
    if shell != "powershell":
        assert terminal.value("$AWS_ENDPOINT_URL") == "unexported"


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize("how", ENTERED)
def test_leave_starts_no_process(
    shell: str, how: str, opened: Open, lane: FastLane, now: int, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    terminal = entered(opened, lane, shell, how, now, trace=str(trace))
    if shell == "fish":
        terminal.run("function fish_prompt; echo '> '; end")
    before = _count(trace)
    terminal.run("shellvault leave")

    assert _started(trace, before) == []
    assert "AWS_SESSION_TOKEN" not in exported(terminal)
    assert lane.calls() == []


@pytest.mark.parametrize("how", ENTERED)
def test_a_lease_is_given_back_in_the_background(
    shell: str, how: str, opened: Open, lane: FastLane, now: int
) -> None:
    terminal = entered(opened, lane, shell, how, now, SHELLVAULT_LEASED="1")
    terminal.run("shellvault leave")

    terminal.wait_until(lambda: lane.calls() != [], "call")
    assert lane.calls() == [["env", "--leave", "--shell", shell]]
    assert "AWS_SESSION_TOKEN" not in exported(terminal)


def test_what_env_brought_goes_with_the_session(shell: str, opened: Open, lane: FastLane, now: int) -> None:
    terminal = entered(opened, lane, shell, "bare env", now)
    terminal.run("shellvault leave")
    terminal.run("")
    listed = {
        "bash": "declare -F; declare -p",
        "zsh": "print -l ${(k)functions} ${(k)parameters}",
        "fish": "functions -a; set -n",
        "powershell": "(Get-ChildItem function:).Name; (Get-ChildItem variable:).Name",
    }
    left = [word for word in terminal.printed(listed[shell]).split() if "shellvault" in word.lower()]
    assert [word for word in left if "__shellvault_hook" not in word and "/" not in word] == []
