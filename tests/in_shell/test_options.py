"""Every option of bash and zsh, one by one: set-up, session, segment, completions and leave go on working."""

import re
import subprocess
from pathlib import Path

import pytest

from shellvault.agent.shell_secret import with_secret
from shellvault.shells import init, render
from tests.in_shell.stand_in import SECRET, USUAL, session

#: What ends or blinds any shell, or changes how these tests themselves are read.
UNUSABLE = {
    "zsh": {
        "exec",
        "interactive",
        "shinstdin",
        "singlecommand",
        "restricted",
        "privileged",
        "verbose",
        "xtrace",
        "zle",
        "monitor",
        "login",
        "warnnestedvar",
        "warncreateglobal",
        "sourcetrace",
        "onecmd",
        "stdin",
    },
    "bash": {
        "noexec",
        "onecmd",
        "verbose",
        "xtrace",
        "restricted_shell",
        "login_shell",
        "history",
        "emacs",
        "vi",
        "monitor",
        "privileged",
        "keyword",
    },
}
LIST = {
    "zsh": ["zsh", "-fc", "print -l ${(k)options}"],
    "bash": ["bash", "-c", "{ set -o; shopt; } | while read -r name rest; do echo $name; done"],
}
EMULATIONS = {
    "zsh": ["emulate sh", "emulate ksh", "emulate csh", "emulate sh; setopt shglob"],
    "bash": ["set -eu -o posix"],
}


def settings(shell: str) -> list[str]:
    """Commands that each change one option, and emulations."""
    names = subprocess.run(LIST[shell], capture_output=True, text=True, timeout=60).stdout.split()
    assert len(names) > 40
    usable = sorted(set(names) - UNUSABLE[shell])
    if shell == "zsh":
        # What is on by default is turned off, and the other way round.
        return [f"[[ -o {name} ]] && unsetopt {name} || setopt {name}" for name in usable] + EMULATIONS[shell]
    return [
        f"{on} {name} 2>/dev/null || {other} {name}"
        for name in usable
        for on, other in (("shopt -s", "set -o"), ("shopt -u", "set +o"))
    ] + EMULATIONS[shell]


def steps(shell: str, now: int) -> str:
    """What one shell does; what it prints is the same whatever its options are."""
    entered = render.env_snippet(shell, session(refresh_at=now + 900, expires_at=now + 2000))
    renewed = render.refresh_snippet(
        shell, session(key="AKIASECOND", refresh_at=now + 900, expires_at=now + 7300)
    )
    prompt = "__shellvault_hook; __shellvault_prompt"
    completed = {
        "zsh": "(( ${+functions[__shellvault_complete]} )) && x=defined",
        "bash": "COMP_WORDS=(shellvault li) COMP_CWORD=1 COMP_LINE='shellvault li' COMP_POINT=13\n"
        "__shellvault_complete; x=${COMPREPLY[0]}",
    }[shell]
    shown = 'builtin echo "$?" "${AWS_ACCESS_KEY_ID-none}" "${SHELLVAULT_SEGMENT-}"'
    lines = [with_secret(entered, f"env.{shell}", SECRET), prompt, shown, renewed, prompt, shown]
    lines += [completed, 'builtin echo "$x"', render.leave_snippet(shell), prompt, shown]
    return "\n".join(lines)


EXPECTED = {
    "zsh": "0 AKIAFIRST work TIME|0 AKIASECOND work TIME|defined|0 none",
    "bash": "0 AKIAFIRST work TIME|0 AKIASECOND work TIME|list|0 none",
}


@pytest.mark.long
@pytest.mark.real
@pytest.mark.timeout(300)
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_no_option_of_the_users_changes_anything(shell: str, tmp_path: Path, now: int) -> None:
    (tmp_path / "init").write_text(init.render_init(shell, USUAL, tmp_path))
    (tmp_path / "steps").write_text(steps(shell, now))
    tried = settings(shell)
    lines = ['init="$(cat init)" steps="$(cat steps)"']
    for number, setting in enumerate(tried):
        # A subshell each, which is as interactive as the shell itself.
        lines.append(f'( {setting}\n eval "$init"\n eval "$steps" ) >{number}.out 2>{number}.err </dev/null')
    subprocess.run(
        [shell, *(("--norc", "--noprofile") if shell == "bash" else ("-f",)), "-i"],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        timeout=280,
        start_new_session=True,
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "TERM": "dumb", "LC_ALL": "C.UTF-8"},
    )
    broken = {}
    for number, setting in enumerate(tried):
        printed = (tmp_path / f"{number}.out").read_text()
        # It takes a while, so that the minutes differ.
        found = re.sub(
            r"[0-9]+h[0-9]+m|[0-9]+m", "TIME", "|".join(filter(None, map(str.strip, printed.splitlines())))
        )
        if found != EXPECTED[shell]:
            broken[setting] = found[-200:], (tmp_path / f"{number}.err").read_text()[-300:]
    assert broken == {}
