"""Whatever builtins a user hides by functions or aliases: session, refresh, segment and leave go on working."""

import re
import subprocess
from pathlib import Path

import pytest

from shellvault.shells import init, render
from tests.in_shell.conftest import Open
from tests.in_shell.stand_in import USUAL, FastLane, env, refresh, session
from tests.support.terminal import PROGRAMS, Terminal

#: Prints all names of the shell's own that a user may hide.
BUILTINS = {
    "bash": ["-c", "compgen -b"],
    "zsh": ["-fc", "zmodload zsh/net/socket zsh/system zsh/stat; print -l ${(k)builtins}"],
    "fish": ["--no-config", "-c", "builtin -n"],
    "powershell": ["-NoProfile", "-Command", "(Get-Command -CommandType Cmdlet).Name"],
}

#: `builtin` is what the rule rests on; completers hide the last two on purpose. No fish function hides a reserved word.
EXEMPT = {"builtin", "-", "compadd", "compset"}
RESERVED_BY_FISH = set(
    re.findall(
        r"\S+",
        "[ _ and argparse begin break case command continue else end eval exec for function if not or read return set"
        " status string switch test time while",
    )
)

#: What the terminal of these tests types itself.
TYPED = {":", "true", "source", ".", "eval"}

HIDING = {
    "bash": "function {0} {{ builtin printf '%s\\n' '{0}' >>{1}; builtin return 1; }}",
    "zsh": "function {0} {{ builtin print -r -- '{0}' >>{1}; builtin return 1 }}",
    # fish's own functions use these names too.
    "fish": "function {0}; status stack-trace | string match -q '*__shellvault*'"
    "; and builtin printf '%s\\n' '{0}' >>{1}; return 1; end",
    "powershell": "function global:{0} {{ [IO.File]::AppendAllText('{1}', \"{0}`n\") }}",
}
ALIAS = {
    "bash": "alias {0}='/bin/sh -c \"echo {0} >>{1}; false\" hidden'",
    "zsh": "alias -- '{0}'='/bin/sh -c \"echo {0} >>{1}; false\" hidden'",
    "fish": "alias {0} 'command false'",
    "powershell": "Set-Alias -Scope Global -Force {0} 'hidden-{0}'",
}


def hidden_names(shell: str) -> list[str]:
    """The builtins of the shell that our texts name in any place."""
    own = subprocess.run(
        [PROGRAMS[shell], *BUILTINS[shell]], capture_output=True, text=True, timeout=60
    ).stdout.split()
    texts = (
        init.render_init(shell, USUAL, Path("/nowhere")),
        render.env_snippet(shell, session()),
        render.refresh_snippet(shell, session()),
        render.leave_snippet(shell),
    )
    words = set(re.findall(r"[A-Za-z_][A-Za-z_-]*|(?<= )[\[:.](?= )", "\n".join(texts)))
    exempt = EXEMPT | (RESERVED_BY_FISH if shell == "fish" else set())
    return sorted({name for name in own if name in words} - exempt)


def seen(terminal: Terminal, name: str) -> str:
    """A variable as the shell has it, asked for with nothing that was hidden."""
    if terminal.shell == "powershell":
        return terminal.value(f"${name}" if name == "SHELLVAULT_SEGMENT" else f"$env:{name}")
    place = terminal.home / "seen"
    terminal.run(f'/usr/bin/env printf %s "${name}" >{place}')
    return place.read_text()


@pytest.mark.real
@pytest.mark.parametrize("how", ["function", "alias"])
def test_names_that_a_user_hides_change_nothing(
    opened: Open, shell: str, lane: FastLane, tmp_path: Path, now: int, how: str
) -> None:
    log = tmp_path / "called"
    log.touch()
    form = (HIDING if how == "function" else ALIAS)[shell]
    names = hidden_names(shell)
    assert names
    terminal = opened(shell, before="\n".join(form.format(name, log) for name in names))
    lane.answers("env", env(shell, session(refresh_at=now + 1000, expires_at=now + 2000)))
    terminal.run("shellvault use work")
    assert seen(terminal, "AWS_ACCESS_KEY_ID") == "AKIAFIRST"
    assert seen(terminal, "SHELLVAULT_SEGMENT") == "work 33m"

    lane.answers("env", env(shell, session(key="AKIASECOND", expires_at=now + 2000)))
    lane.answers(
        "refresh", refresh(shell, session(key="AKIATHIRD", refresh_at=now + 1000, expires_at=now + 7300))
    )
    terminal.run("shellvault use work")
    assert seen(terminal, "AWS_ACCESS_KEY_ID") == "AKIATHIRD"
    assert seen(terminal, "SHELLVAULT_SEGMENT") == "work 2h01m"

    lane.answers("env", render.leave_snippet(shell))
    terminal.run("shellvault leave")
    assert seen(terminal, "AWS_ACCESS_KEY_ID") == ""
    assert seen(terminal, "SHELLVAULT_SEGMENT") == ""
    assert set(log.read_text().split()) - TYPED == set()
