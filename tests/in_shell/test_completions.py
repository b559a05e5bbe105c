"""TAB: everything in the command tree is offered, profile names are read by the shell itself, and fast."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from shellvault.cli.main import command
from shellvault.shells import init
from tests.in_shell.conftest import Open
from tests.in_shell.stand_in import FastLane
from tests.support.terminal import Terminal

pytestmark = pytest.mark.real

NAMES = ["default", "work", "a b", "it's", "ünï", "x-$(touch touched)"]


@pytest.fixture
def config(tmp_path: Path) -> dict[str, str]:
    """A config file, and the file of stored names."""
    (tmp_path / "config").write_text(
        "[default]\nregion = x\n[profile work]\n  [profile nested]\n[ profile 'a b' ]\n[profile it's]\r\n"
        "[profile ünï] # note\n"
        "# [profile gone]\n[sso-session s]\n[services x]\n[profile x-$(touch touched)]\n"
    )
    names = tmp_path / "state" / "shellvault" / "names"
    names.parent.mkdir(parents=True)
    names.write_text("stored\nother stored\n")
    return {"AWS_CONFIG_FILE": str(tmp_path / "config")}


def offered(terminal: Terminal, line: str) -> list[str]:
    """What TAB would offer at the end of `line`."""
    place = terminal.home / "offered"
    place.unlink(missing_ok=True)
    if terminal.shell == "bash":
        words = line.split(" ")
        quoted = " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)
        terminal.run(
            f"COMP_WORDS=({quoted}) COMP_CWORD={len(words) - 1}; __shellvault_complete; "
            f"printf '%s\\n' \"${{COMPREPLY[@]}}\" >{place}"
        )
    elif terminal.shell == "fish":
        escaped = line.replace("\\", "\\\\").replace("'", "\\'")
        terminal.run(f"complete -C '{escaped}' | string replace -r '\\t.*' '' >{place}")
    elif terminal.shell == "powershell":
        escaped = line.replace("'", "''")
        terminal.run(
            f"$found = (TabExpansion2 '{escaped}' {len(line)}).CompletionMatches; "
            f"[IO.File]::WriteAllLines('{place}', [string[]]@($found "
            "| ForEach-Object ListItemText))"
        )
    else:
        quoted = " ".join("'" + word.replace("'", "'\\''") + "'" for word in line.split(" "))
        terminal.run(f"words=({quoted}) CURRENT={len(line.split(' '))}; __shellvault_offered >{place}")
    return [text for text in place.read_text().splitlines() if text]


#: zsh has no way to ask for completions from a script: the functions that would show them print them instead.
_ZSH_PROBE = """
function compdef { : }
function _describe { local array=$@[-1]; print -rl -- ${${(P)array}%%:*} }
function compadd { local array=$@[-1]; print -rl -- ${(P)array} }
function _normal { print -r -- "normal: $words $CURRENT" }
function _command_names { print -r -- commands }
function _files { print -r -- files }
function __shellvault_offered {
  __shellvault_complete | while IFS= read -r line; do
    [[ $line == "$words[CURRENT]"* || $line == normal* ]] && print -r -- $line
  done
}
"""


@pytest.fixture
def completing(shell: str, opened: Open, lane: FastLane, config: dict[str, str]) -> Terminal:
    """A terminal whose completions can be asked for."""
    return opened(shell, before=_ZSH_PROBE if shell == "zsh" else "", **config)


def _commands(node: click.Command, words: str, context: click.Context) -> Iterator[tuple[str, click.Command]]:
    yield words, node
    if isinstance(node, click.Group):
        for name in node.list_commands(context):
            child = node.get_command(context, name)
            assert child is not None
            yield from _commands(child, f"{words} {name}", context)


def test_every_command_and_option_is_offered(completing: Terminal) -> None:
    context = click.Context(command)
    for words, node in _commands(command, "shellvault", context):
        if isinstance(node, click.Group):
            assert set(node.list_commands(context)) <= set(offered(completing, words + " ")), words
        wanted = {
            name
            for option in node.get_params(context)
            if isinstance(option, click.Option)
            for name in option.opts
        }
        assert wanted == {name for name in offered(completing, words + " -") if name.startswith("-")}, words


def test_the_functions_own_words_are_offered(completing: Terminal) -> None:
    assert {"use", "leave"} <= set(offered(completing, "shellvault "))
    assert "work" in offered(completing, "shellvault use wo")


def test_choices_follow_their_option(completing: Terminal) -> None:
    assert offered(completing, "shellvault env --shell z") == ["zsh"]
    assert "file" in offered(completing, "shellvault env work --backend ")


def test_profile_names_come_from_config_and_vault(completing: Terminal) -> None:
    got = offered(completing, "shellvault env ")
    if completing.shell == "bash":
        got = [
            subprocess.run(
                ["bash", "-c", f"printf %s {name}"], capture_output=True, text=True, check=True
            ).stdout
            for name in got
        ]
    assert sorted(set(got)) == sorted([*NAMES, "stored", "other stored"])
    assert not (completing.home / "touched").exists()
    assert offered(completing, "shellvault env -d 1h wor") == ["work"]
    assert "gone" not in got


def test_after_exec_name_the_program_completes_its_own(completing: Terminal) -> None:
    if completing.shell == "fish":
        completing.run("complete -c show-arguments -f -a 'one two'")
        assert set(offered(completing, "shellvault exec work -- show-arguments ")) == {"one", "two"}
    elif completing.shell == "zsh":
        assert offered(completing, "shellvault exec work -- show-arguments o") == [
            "normal: show-arguments o 2"
        ]
    elif completing.shell == "bash":
        completing.run('_command_offset() { COMPREPLY=("from $1"); }')
        assert offered(completing, "shellvault exec work -- show-arguments o") == ["from 4"]
    else:
        completing.run(
            "Register-ArgumentCompleter -Native -CommandName show-arguments -ScriptBlock { 'one', 'two' }"
        )
        assert set(offered(completing, "shellvault exec work -- show-arguments ")) == {"one", "two"}


def test_a_thousand_profiles_take_no_process_and_little_time(
    shell: str, opened: Open, lane: FastLane, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text(
        "".join(
            f"[profile p{n}]\nrole_arn = arn:aws:iam::{n:012}:role/x\nsource_profile = work\nregion = eu-west-1\n\n"
            for n in range(1000)
        )
    )
    terminal = opened(
        shell, before=_ZSH_PROBE if shell == "zsh" else "", AWS_CONFIG_FILE=str(tmp_path / "config")
    )
    assert len(offered(terminal, "shellvault env p")) == 1000
    place = terminal.home / "taken"
    body = {
        "bash": (
            "COMP_WORDS=(shellvault env p9) COMP_CWORD=2; s=$EPOCHREALTIME; "
            "for i in {1..20}; do __shellvault_complete; done; "
            "e=$EPOCHREALTIME; echo $(( (${e/[.,]} - ${s/[.,]}) / 20 ))"
        ),
        "zsh": (
            "zmodload zsh/datetime zsh/mathfunc; words=(shellvault env p9) CURRENT=3; s=$EPOCHREALTIME; "
            "repeat 20 { __shellvault_complete >/dev/null }; echo $(( int((EPOCHREALTIME - s) * 50000) ))"
        ),
        "fish": (
            "set s (date +%s%N); for i in (seq 20); complete -C 'shellvault env p9' >/dev/null; end; "
            "math -s0 '('(date +%s%N) - $s')' / 20000"
        ),
        "powershell": (
            "$w = [Diagnostics.Stopwatch]::StartNew(); "
            "1..20 | ForEach-Object { $null = TabExpansion2 'shellvault env p9' 17 }; "
            "[int]($w.Elapsed.TotalMilliseconds * 50)"
        ),
    }[shell]
    script = terminal.home / ("taken.ps1" if shell == "powershell" else "taken.sh")
    script.write_text(body + "\n")
    best = 10**9
    for _ in range(3):
        terminal.run(
            f". {script} >{place}" if shell != "zsh" else f"zmodload zsh/mathfunc; . {script} >{place}"
        )
        best = min(best, int(float(place.read_text().split()[-1])))
    # Microseconds. The budget is 10 ms on an idle machine; the tests may share theirs.
    assert best < 20_000, f"{best} microseconds"
    assert lane.calls() == []


def test_init_without_completions_has_none(shell: str, tmp_path: Path) -> None:
    assert "__shellvault_complete" not in init.render_init(
        shell, init.InitOptions(completions=False), tmp_path
    )
