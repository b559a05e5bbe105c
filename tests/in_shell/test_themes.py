"""Prompts as people have them: the segment stands in front of what a theme makes at every prompt."""

import re
from pathlib import Path

import pytest

from tests.in_shell.conftest import Open, enter
from tests.in_shell.stand_in import FastLane

GIT_PROMPT = Path("/usr/lib/git-core/git-sh-prompt")
LIQUIDPROMPT = Path("/usr/share/liquidprompt/liquidprompt")
POWERLEVEL9K = Path("/usr/share/powerlevel9k/powerlevel9k.zsh-theme")

#: What bash-preexec 0.6 does to PROMPT_COMMAND: an imitation of its order, since no registry has it.
PREEXEC = """
precmd_functions=()
__bp_precmd_invoke_cmd() { local s=$?; for f in "${precmd_functions[@]}"; do "$f"; done; return $s; }
__bp_interactive_mode() { __bp_last=1; }
__bp_install() {
  PROMPT_COMMAND=${PROMPT_COMMAND//__bp_install/:}
  PROMPT_COMMAND="__bp_precmd_invoke_cmd"$'\\n'"${PROMPT_COMMAND}"$'\\n'"__bp_interactive_mode"
}
PROMPT_COMMAND="${PROMPT_COMMAND:+$PROMPT_COMMAND$'\\n'}__bp_install"
"""

#: The program or file that a theme needs, and its lines.
THEMES: dict[tuple[str, str], tuple[Path | None, str]] = {
    ("bash", "git-prompt as the whole"): (
        GIT_PROMPT,
        f'. {GIT_PROMPT}; PROMPT_COMMAND=\'__git_ps1 "theme" "> "\'',
    ),
    ("bash", "git-prompt appended"): (
        GIT_PROMPT,
        f". {GIT_PROMPT}; PROMPT_COMMAND=\"${{PROMPT_COMMAND:+$PROMPT_COMMAND; }}__git_ps1 'theme' '> '\"",
    ),
    ("bash", "an array"): (None, "t() { PS1='theme> '; }; PROMPT_COMMAND=(\"${PROMPT_COMMAND[@]}\" t)"),
    ("bash", "oh-my-bash's safe append"): (
        None,
        "t() { PS1='theme> '; }; PROMPT_COMMAND=${PROMPT_COMMAND:+$PROMPT_COMMAND$'\\n'}t",
    ),
    ("bash", "bash-preexec"): (None, PREEXEC + "t() { PS1='theme> '; }; precmd_functions+=(t)"),
    ("bash", "liquidprompt"): (LIQUIDPROMPT, f". {LIQUIDPROMPT}"),
    ("zsh", "a precmd"): (None, "precmd() { PROMPT='theme> ' }"),
    ("zsh", "oh-my-zsh's hook"): (
        None,
        "autoload -Uz add-zsh-hook; t() { PROMPT='theme> ' }; add-zsh-hook precmd t",
    ),
    ("zsh", "liquidprompt"): (LIQUIDPROMPT, f". {LIQUIDPROMPT}"),
    ("zsh", "powerlevel9k"): (POWERLEVEL9K, f". {POWERLEVEL9K}"),
    ("fish", "a prompt"): (None, "function fish_prompt; echo 'theme> '; end"),
    ("powershell", "a prompt"): (None, "function global:prompt { 'theme> ' }"),
}

#: How each shell tells its prompt.
PROMPTS = {
    "bash": "${PS1@P}",
    "zsh": "${(%%)PROMPT}",
    "fish": "$(fish_mode_prompt; fish_prompt)",
    "powershell": "$(prompt)",
}


@pytest.mark.real
@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize(("shell", "theme"), list(THEMES), indirect=["shell"])
def test_a_theme_does_not_hide_the_session(
    shell: str, theme: str, place: str, opened: Open, lane: FastLane, now: int
) -> None:
    needed, lines = THEMES[shell, theme]
    if needed is not None and not needed.exists():
        pytest.skip(f"needs {needed.name}")
    terminal = opened(shell, **{place: lines})
    enter(terminal, lane, refresh_at=now + 2000, expires_at=now + 3000)
    terminal.run("")
    shown = terminal.value(PROMPTS[shell])
    assert len(re.findall(r"work (49|50)m", shown)) == 1, shown
    assert "theme" in shown or needed in (LIQUIDPROMPT, POWERLEVEL9K)
    if theme == "bash-preexec":
        assert terminal.value("${PROMPT_COMMAND##*$'\\n'}") == "__bp_interactive_mode"


@pytest.mark.real
def test_what_is_added_later_stays_before_the_segment(opened: Open, lane: FastLane, now: int) -> None:
    terminal = opened("bash")
    enter(terminal, lane, refresh_at=now + 2000, expires_at=now + 3000)
    for line in (
        "t() { PS1='late> '; }; PROMPT_COMMAND=\"$PROMPT_COMMAND; t\"",
        "u() { PS1='later> '; }; PROMPT_COMMAND+=$'\\nu'",
    ):
        terminal.run(line)
        terminal.run("")
        assert re.search(r"work (49|50)m", terminal.value("${PS1@P}"))
    assert terminal.value("$PROMPT_COMMAND").count("__shellvault_prompt") == 1


@pytest.mark.real
@pytest.mark.parametrize(
    ("shell", "name"),
    [("bash", "PROMPT_COMMAND"), ("bash", "PS1"), ("bash", "SHELLVAULT_SEGMENT")]
    + [
        ("zsh", name)
        for name in ("precmd_functions", "preexec_functions", "PROMPT", "psvar", "SHELLVAULT_SEGMENT")
    ],
    indirect=["shell"],
)
def test_a_prompt_that_cannot_be_changed_is_left_alone(
    shell: str, name: str, opened: Open, lane: FastLane, now: int
) -> None:
    declared = (
        f"typeset -ar {name}=()"
        if name in ("precmd_functions", "preexec_functions", "psvar")
        else f"readonly {name}='$ '"
    )
    terminal = opened(shell, before=declared)
    lane.answers("env", _env(shell, now))
    before = len(terminal.screen)
    terminal.run("shellvault use work && touch deployed")
    terminal.run("")
    assert (terminal.home / "deployed").exists()
    printed = terminal.screen[before:]
    assert "readonly variable" not in printed and "read-only variable" not in printed
    if name not in ("PS1", "PROMPT", "psvar"):
        assert printed.count("nothing is renewed") == 1


def _env(shell: str, now: int) -> str:
    from tests.in_shell.stand_in import env, session

    return env(shell, session(refresh_at=now + 2000, expires_at=now + 3000))


@pytest.mark.real
@pytest.mark.parametrize("shell", ["bash", "zsh"], indirect=True)
@pytest.mark.parametrize(
    "name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_VAULT", "AWS_PROFILE", "SHELLVAULT_REQUEST"]
)
def test_a_read_only_variable_is_an_error_and_changes_nothing(
    shell: str, name: str, opened: Open, lane: FastLane, now: int
) -> None:
    terminal = opened(shell, before=f"readonly {name}=mine")
    lane.answers("env", _env(shell, now))
    before = len(terminal.screen)
    terminal.run("shellvault use work && touch deployed")
    assert not (terminal.home / "deployed").exists()
    assert terminal.screen[before:].count(f"read-only in this shell: {name}") == 1
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_VAULT"):
        assert terminal.value(f"${variable}") == ("mine" if variable == name else "")
