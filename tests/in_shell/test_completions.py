"""TAB in real shells: every command and position, names quoted as the shell needs, programs that are wrapped."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from shellvault.cli.main import command
from shellvault.shells import init
from shellvault.shells.completions import Node, Value, tree
from tests.in_shell.conftest import Open
from tests.in_shell.stand_in import FastLane, write_program
from tests.support.terminal import Terminal

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

NODES = list(tree(command))
NAMES = [
    "default",
    "work",
    "a b",
    "it's",
    "ünï",
    "x-$(touch touched)",
    "a:b",
    "user@corp",
    "stored",
    "other stored",
]

#: Inserts all that TAB would offer at once, then writes the line to a file. zsh has both for whoever asks.
_PROBES = {
    "bash": """
bind '"\\C-x*": insert-completions'
__probe() { printf '%s\\n' "$READLINE_LINE" >"$HOME/offered"; READLINE_LINE=; READLINE_POINT=0; }
bind -x '"\\C-xp": __probe'
""",
    "zsh": """
autoload -Uz compinit && compinit -u -d "$HOME/dump"
zle -C all-matches complete-word _generic
bindkey '^X*' all-matches
zstyle ':completion:all-matches::::' completer _all_matches _complete
zstyle ':completion:all-matches:*' insert true
probe() { print -r -- "$BUFFER" >"$HOME/offered"; BUFFER=; }
zle -N probe
bindkey '^Xp' probe
""",
}


@pytest.fixture
def config(tmp_path: Path) -> dict[str, str]:
    """A config file, and the file of stored names."""
    (tmp_path / "config").write_text(
        "[default]\nregion = x\n[profile work]\n  [profile nested]\n[ profile 'a b' ]\n[profile it's]\r\n"
        '[profile ünï] # note\n[profile "a:b"]\n[profile user@corp]\n'
        "# [profile gone]\n[sso-session s]\n[services x]\n[profile x-$(touch touched)]\n"
    )
    names = tmp_path / "state" / "shellvault" / "names"
    names.parent.mkdir(parents=True)
    names.write_text("stored\nother stored\n")
    return {"AWS_CONFIG_FILE": str(tmp_path / "config")}


@pytest.fixture
def completing(shell: str, opened: Open, lane: FastLane, config: dict[str, str], programs: Path) -> Terminal:
    """A terminal whose completions can be asked for."""
    write_program(programs / "show-more", "#!/bin/sh\n")
    return opened(shell, before=_PROBES.get(shell, ""), **config)


def offered(terminal: Terminal, line: str) -> list[str]:
    """The words that TAB offers at the end of `line`, as the program would get them."""
    place = terminal.home / "offered"
    place.unlink(missing_ok=True)
    if terminal.shell == "fish":
        terminal.run(f"complete -C {shlex.quote(line)} | string replace -r '\\t.*' '' >{place}")
        return place.read_text().splitlines()
    if terminal.shell == "powershell":
        escaped = line.replace("'", "''")
        terminal.run(
            f"$found = (TabExpansion2 '{escaped}' {len(line)}).CompletionMatches; "
            f"[IO.File]::WriteAllLines('{place}', [string[]]@($found | ForEach-Object CompletionText))"
        )
        # As PowerShell itself would read them.
        words = place.read_text().splitlines()
        return [word[1:-1].replace("''", "'") if word[:1] == "'" else word for word in words]
    terminal.press(line + "\x18*\x18p")
    terminal.wait_until(
        lambda: place.exists() and place.read_text().endswith("\n"), f"completions of {line!r}"
    )
    typed = place.read_text().rstrip("\n")
    if typed == line:
        return []
    stem = re.split(r"(?<!\\)\s", line)[-1] if line[-1:] != " " else ""
    return shlex.split(typed[len(line) - len(stem) :])


def _positions() -> Iterator[tuple[str, set[str]]]:
    """Every command line that ends where something may be typed, and what is offered there, as far as it is fixed."""
    for node in NODES:
        words = f"shellvault {node.path} ".replace("  ", " ")
        yield f"{words}-", {name for option in node.options for name in option.names}
        if node.commands:
            yield words, {name for name, _ in node.commands}
        before = words
        for value in node.arguments:
            yield before, _values(value)
            before += "filled "
        if not (node.repeats or node.commands or node.runs_program):
            yield before, set()
        for option in node.options:
            if option.value is not None and option.value.kind != "program":
                yield f"{words}{option.names[-1]} ", _values(option.value)
                yield f"{words}{option.names[-1]}=", _values(option.value)


def _values(value: Value) -> set[str]:
    if value.kind == "profile":
        return set(NAMES)
    return set(value.choices) if value.kind == "choice" else set()


def _programs(node: Node) -> bool:
    return any(value.kind == "program" for value in node.arguments)


def test_every_command_is_completed_in_every_position(completing: Terminal) -> None:
    wrong = []
    count = 0
    with_programs = {f"shellvault {node.path} " for node in NODES if _programs(node)}
    for line, expected in _positions():
        if line in with_programs:
            continue
        count += 1
        found = {
            word.removeprefix(line.rpartition(" ")[2]) if "=" in line else word
            for word in offered(completing, line)
        }
        if line.endswith("-"):
            found = {word for word in found if word.startswith("-")}
        if found != expected:
            wrong.append((line, found ^ expected))
    assert wrong == []
    assert count > 100
    assert not (completing.home / "touched").exists()


def test_a_name_is_quoted_as_the_shell_needs_it(completing: Terminal) -> None:
    for typed, names in (
        ("wor", ["work"]),
        ("a:", ["a:b"]),
        ("user@c", ["user@corp"]),
        ("other", ["other stored"]),
        ("it", ["it's"]),
        ("x-", ["x-$(touch touched)"]),
    ):
        assert offered(completing, f"shellvault env {typed}") == names, typed
        assert offered(completing, f"shellvault shim add --profile={typed}") in (
            names,
            [f"--profile={name}" for name in names],
        ), typed
    assert not (completing.home / "touched").exists()


def test_after_the_name_exec_offers_dashes_and_commands(completing: Terminal) -> None:
    assert "--" in offered(completing, "shellvault exec work -")
    assert {"--", "show-more"} <= set(offered(completing, "shellvault exec work "))
    assert offered(completing, "shellvault exec work show-m") == ["show-more"]
    assert offered(completing, "shellvault exec work -- show-m") == ["show-more"]
    if completing.shell == "powershell":
        # The one that the tests have completes no files at all.
        return
    (completing.home / "some-file").touch()
    for line in (
        "shellvault exec work -- show-arguments some-f",
        "shellvault exec work show-arguments some-f",
    ):
        assert [word.removeprefix("./") for word in offered(completing, line)] == ["some-file"], line


def test_the_program_completes_its_own_words(completing: Terminal) -> None:
    registered = {
        "bash": "_command_offset() { COMPREPLY=(one-$((COMP_CWORD - $1))); }",
        "zsh": "_own() { compadd one-$((CURRENT - 1)) }; compdef _own show-arguments",
        "fish": "complete -c show-arguments -f -a 'one-1'",
        "powershell": "Register-ArgumentCompleter -Native -CommandName show-arguments -ScriptBlock { 'one-1' }",
    }
    completing.run(registered[completing.shell])
    for line in (
        "exec work -- show-arguments o",
        "exec work show-arguments o",
        "exec --region x work -- show-arguments o",
    ):
        assert offered(completing, f"shellvault {line}") == ["one-1"], line


def test_a_wrapped_programs_option_completes_profiles(completing: Terminal) -> None:
    assert offered(completing, "aws --profile wor") == ["work"]
    assert set(offered(completing, "aws s3 ls --profile ")) == set(NAMES)
    assert offered(completing, "aws --profile=wor") == ["--profile=work"] or completing.shell == "bash"


def test_tab_fills_in_what_is_unique(completing: Terminal, lane: FastLane) -> None:
    if completing.shell == "powershell":
        pytest.skip("its line editor is not loaded in this terminal")
    for typed in ("shellvault clear othe", "shellvault cle\tothe"):
        before = len(lane.calls())
        completing.press(typed + "\t\r")
        completing.run("")
        assert lane.calls()[before:][:1] == [["clear", "other stored"]], completing.screen[-500:]


def test_zsh_offers_in_a_menu_too(opened: Open, lane: FastLane, config: dict[str, str]) -> None:
    before = _PROBES["zsh"] + "zstyle ':completion:*' menu select\nsetopt menu_complete\n"
    terminal = opened("zsh", before=before, **config)
    terminal.press("shellvault env work -\t")
    terminal.wait_for("--backend")
    terminal.press("\x03\x15")
    terminal.press("shellvault clear \t\t\r\r")
    terminal.run("")
    assert any(call[0] == "clear" and call[1] in NAMES for call in lane.calls())
    terminal.screen = ""
    terminal.press("shellvault exec work -- ls -\t")
    terminal.run("")
    assert "rror" not in terminal.screen and "bad" not in terminal.screen


def test_a_zsh_without_compinit_is_noted_once(opened: Open, config: dict[str, str]) -> None:
    first, second = opened("zsh", **config), opened("zsh", **config)
    for terminal in (first, second):
        terminal.run("")
    assert "autoload" in first.screen
    assert "autoload" not in second.screen


def test_a_thousand_profiles_take_no_process_and_little_time(
    shell: str, opened: Open, lane: FastLane, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text(
        "".join(
            f"[profile p{n}]\nrole_arn = arn:aws:iam::{n:012}:role/x\nsource_profile = work\nregion = eu-west-1\n\n"
            for n in range(1000)
        )
    )
    before = "function _wanted { : }\n" if shell == "zsh" else ""
    terminal = opened(shell, before=before, AWS_CONFIG_FILE=str(tmp_path / "config"))
    once = {
        "bash": (
            "COMP_LINE='shellvault env p9' COMP_POINT=17 COMP_WORDS=(shellvault env p9) COMP_CWORD=2; "
            "for i in {1..20}; do __shellvault_complete; done"
        ),
        "zsh": "words=(shellvault env p9) CURRENT=3; repeat 20 { __shellvault_complete }",
        "fish": "for i in (seq 20); complete -C 'shellvault env p9' >/dev/null; end",
        "powershell": "1..20 | ForEach-Object { $null = TabExpansion2 'shellvault env p9' 17 }",
    }[shell]
    process = psutil.Process(terminal.process.pid)
    taken = []
    # The first time something is parsed or kept for the next ones.
    for _ in range(4):
        begun = process.cpu_times()
        terminal.run(once)
        ended = process.cpu_times()
        taken.append((ended.user + ended.system - begun.user - begun.system) / 20)
    # Seconds of its own, since the tests share the machine. The budget is 10 ms.
    assert min(taken[1:]) < 0.02
    assert lane.calls() == []


def test_init_without_completions_has_none(shell: str, tmp_path: Path) -> None:
    assert "__shellvault_complete" not in init.render_init(shell, init.InitOptions(), tmp_path)
