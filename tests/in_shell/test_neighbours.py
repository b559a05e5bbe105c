"""Other tools' hooks, before ours and after: all of them keep running, and the status is right in each."""

import shutil
from pathlib import Path

import pytest

from shellvault.shells import render
from shellvault.variables import Change
from tests.in_shell.conftest import Open, enter, key
from tests.in_shell.stand_in import FastLane, refresh, session

pytestmark = pytest.mark.real

#: Each notes the status it sees in $HOME/neighbour.
NEIGHBOURS = {
    ("bash", "a string"): 'note() { echo "$?" >>~/neighbour; }; PROMPT_COMMAND="note;${PROMPT_COMMAND-}"',
    ("bash", "a string with a comment"): (
        'note() { local s=$?; echo "$s" >>~/neighbour; return $s; }; '
        'PROMPT_COMMAND="${PROMPT_COMMAND:+$PROMPT_COMMAND\n}note # x"'
    ),
    ("bash", "an array"): (
        'note() { local s=$?; echo "$s" >>~/neighbour; return $s; }; '
        'PROMPT_COMMAND=(note "${PROMPT_COMMAND[@]}")'
    ),
    ("bash", "bash-preexec"): (
        '__bp_precmd() { local s=$?; echo "$s" >>~/neighbour; return $s; }; '
        'PROMPT_COMMAND="__bp_precmd${PROMPT_COMMAND:+\n$PROMPT_COMMAND}"; trap : DEBUG'
    ),
    ("bash", "starship"): (
        'starship_precmd() { local s=$?; echo "$s" >>~/neighbour; eval "${STARSHIP_PROMPT_COMMAND-}"; '
        'PS1="star $s> "; return 0; }; if [[ ${PROMPT_COMMAND-} != *starship_precmd* ]]; then '
        "STARSHIP_PROMPT_COMMAND=${PROMPT_COMMAND-}; PROMPT_COMMAND=starship_precmd; fi"
    ),
    ("zsh", "add-zsh-hook"): (
        'note() { echo "$?" >>~/neighbour }; autoload -Uz add-zsh-hook; add-zsh-hook precmd note'
    ),
    ("zsh", "precmd"): 'precmd() { echo "$?" >>~/neighbour; psvar=(x) }',
    ("fish", "an event"): "function note --on-event fish_prompt; echo $status >>~/neighbour; end",
    ("fish", "a prompt"): 'function fish_prompt; echo $status >>~/neighbour; echo "> "; end',
    ("powershell", "a prompt"): (
        "$inner = $function:prompt; function global:prompt { $c = $global:LASTEXITCODE; "
        '[IO.File]::AppendAllText("$HOME/neighbour", "$c`n"); $global:LASTEXITCODE = $c; & $inner }'
    ),
}


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize(("shell", "kind"), list(NEIGHBOURS), indirect=["shell"])
def test_a_neighbour_keeps_running_and_sees_the_status(
    shell: str, kind: str, place: str, opened: Open, lane: FastLane, now: int
) -> None:
    lane.answers(
        "refresh", refresh(shell, session(key="AKIASECOND", refresh_at=now + 4000, expires_at=now + 7300))
    )
    terminal = opened(shell, **{place: NEIGHBOURS[shell, kind]})
    enter(terminal, lane, refresh_at=now - 5, expires_at=now + 3000)
    assert key(terminal) == "AKIASECOND"
    noted = terminal.home / "neighbour"
    noted.unlink()
    terminal.run("sh -c 'exit 3'")
    # Starship resets the status before it runs what was there before it; its own view of it is right.
    assert "3" in noted.read_text().split()


TOOLS = {
    "direnv": {
        "bash": 'eval "$(direnv hook bash)"',
        "zsh": 'eval "$(direnv hook zsh)"',
        "fish": "direnv hook fish | source",
    },
    "zoxide": {
        "bash": 'eval "$(zoxide init --hook prompt bash)"',
        "zsh": 'eval "$(zoxide init --hook prompt zsh)"',
        "fish": "zoxide init --hook prompt fish | source",
    },
}


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize(
    ("tool", "shell"), [(tool, shell) for tool, lines in TOOLS.items() for shell in lines], indirect=["shell"]
)
def test_direnv_and_zoxide_keep_working(
    shell: str, tool: str, place: str, opened: Open, lane: FastLane, now: int, tmp_path: Path
) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"needs {tool}")
    lane.answers(
        "refresh", refresh(shell, session(key="AKIASECOND", refresh_at=now + 4000, expires_at=now + 7300))
    )
    terminal = opened(shell, _ZO_DATA_DIR=str(tmp_path / "zo"), **{place: TOOLS[tool][shell]})
    enter(terminal, lane, refresh_at=now - 5, expires_at=now + 3000)
    assert key(terminal) == "AKIASECOND"
    project = terminal.home / "project"
    project.mkdir()
    (project / ".envrc").write_text("export FROM_DIRENV=yes\n")
    terminal.run("direnv allow ./project" if tool == "direnv" else "true")
    terminal.run("cd project")
    terminal.run("")
    if tool == "direnv":
        assert terminal.value("$FROM_DIRENV") == "yes"
    else:
        terminal.run("zoxide query -l >../visited")
        assert str(project) in (terminal.home / "visited").read_text()


DIRENV = TOOLS["direnv"]

#: direnv 2.32 has no hook for PowerShell; this does what those of later versions do, with the JSON.
_DIRENV_IN_POWERSHELL = r"""
$direnvs = $function:prompt
function global:prompt {
    foreach ($line in (direnv export json 2>$null)) {
        if ($line -match '^  "(\w+)": (null|"(.*)"),?$') {
            $value = if ($Matches[2] -ceq 'null') { [NullString]::Value } else { $Matches[3] }
            [Environment]::SetEnvironmentVariable($Matches[1], $value)
        }
    }
    & $direnvs
}
"""


@pytest.mark.parametrize("order", ["leave inside", "leave outside", "leave in another project"])
def test_what_direnv_has_taken_back_since_is_not_restored(
    shell: str, order: str, opened: Open, lane: FastLane, now: int
) -> None:
    """AWS_PROFILE: we had unset it. AWS_REGION: direnv's old value is what we set. AWS_ROLE_ARN: not direnv's."""
    if shutil.which("direnv") is None:
        pytest.skip("needs direnv")
    terminal = opened(
        shell,
        after=DIRENV.get(shell, _DIRENV_IN_POWERSHELL),
        AWS_REGION="eu-central-1",
        AWS_ROLE_ARN="arn:mine",
    )
    for name, text in {"project": "proj", "other": "elsewhere"}.items():
        (terminal.home / name).mkdir()
        (terminal.home / name / ".envrc").write_text(
            f"export AWS_PROFILE={text} AWS_REGION=eu-west-1 FROM_DIRENV={text}\n"
        )
        terminal.run(f"direnv allow ./{name}")
    change = session(refresh_at=now + 9000, expires_at=now + 9900)
    change = Change({**change.set, "AWS_REGION": "eu-central-1"}, ("AWS_PROFILE", "AWS_ROLE_ARN"))
    lane.answers("env", render.env_snippet(shell, change))

    def values() -> list[str]:
        prefix = "$env:" if shell == "powershell" else "$"
        return [terminal.value(f"{prefix}{name}") for name in ("AWS_PROFILE", "AWS_REGION", "AWS_ROLE_ARN")]

    terminal.run("cd project")
    terminal.run("")
    assert values() == ["proj", "eu-west-1", "arn:mine"]
    terminal.run("shellvault use work")
    assert values() == ["", "eu-central-1", ""]
    lane.answers("env", render.leave_snippet(shell))
    if order != "leave inside":
        terminal.run("cd .." if order == "leave outside" else "cd ../other")
        terminal.run("")
    before = len(terminal.screen)
    terminal.run("shellvault leave")
    assert "direnv: unloading" not in terminal.screen[before:]
    assert (
        values()
        == {
            "leave inside": ["proj", "eu-west-1", "arn:mine"],
            "leave outside": ["", "eu-central-1", "arn:mine"],
            "leave in another project": ["elsewhere", "eu-west-1", "arn:mine"],
        }[order]
    )
    terminal.run("cd ~")
    terminal.run("")
    assert values() == ["", "eu-central-1", "arn:mine"]
