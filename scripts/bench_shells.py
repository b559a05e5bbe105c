"""What shellvault costs inside the four shells: at a prompt, at a new shell's start, and at TAB.

A shell's loop is timed from outside, once with the code in question and once with an empty function in its
place, and the difference divided by the number of turns: no shell has to have a clock.
"""

import shlex
import shutil
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.measuring import Case, difference, interleaved, program, ratio
from tests.support.home import Home

#: Turns before those that count: .NET compiles a function when it is used, and again when it is used often.
WARM_UP = 20


@dataclass(frozen=True)
class Shell:
    """How one shell is started, and how it writes what is measured."""

    program: str
    start: tuple[str, ...]
    loop: str
    """TURNS turns of BODY; the turn's number is $i."""
    nothing: str
    """Defines the function `nothing`, which does nothing."""
    later: str
    """Puts the hook's clock far ahead, 100 s further each turn: a refresh is due, and no pause between two."""
    load: str
    """Evaluates the file FILE."""
    init: str
    """Evaluates what `shellvault init` prints."""
    complete: str
    """Defines the function `tab`, which completes `shellvault env profile-0` as the key does."""


_FOR = "for ((i = 1; i <= TURNS; i++)); do BODY; done"

SHELLS = {
    "bash": Shell(
        program="bash",
        start=("--norc", "--noprofile", "-i", "-c"),
        loop=_FOR,
        nothing="function nothing { :; }",
        later="function __shellvault_clock { __shellvault_now=$(( 4000000000 + 100 * i )); }",
        load="source FILE",
        init='eval "$(shellvault init bash)"',
        complete="COMP_WORDS=(shellvault env profile-0) COMP_CWORD=2; COMP_LINE=${COMP_WORDS[*]}; "
        "COMP_POINT=${#COMP_LINE}; [[ $(complete -p shellvault) =~ -F\\ ([^ ]+) ]]; "
        "function tab { ${BASH_REMATCH[1]} shellvault profile-0 env; }; ",
    ),
    "zsh": Shell(
        program="zsh",
        start=("-f", "-i", "-c"),
        loop=_FOR,
        nothing="function nothing { : }",
        later="function __shellvault_clock { __shellvault_now=$(( 4000000000 + 100 * i )); }",
        load="source FILE",
        init='eval "$(shellvault init zsh)"',
        # Outside of a completion there is no compadd: what zsh itself does with the names is not measured.
        complete="function compadd { : }; function _describe { : }; function tab { local CURRENT=3; "
        "local -a words; words=(shellvault env profile-0); __shellvault_complete; }",
    ),
    "fish": Shell(
        program="fish",
        start=("--no-config", "--interactive", "-c"),
        loop="for turn in (seq TURNS); set -g i $turn; BODY; end",
        nothing="function nothing; end",
        later="function __shellvault_clock; set -g __shellvault_now (math 4000000000 + 100 x $i); end",
        load="source FILE",
        init="shellvault init fish | source",
        complete="function tab; complete -C 'shellvault env profile-0' >/dev/null; end",
    ),
    "powershell": Shell(
        program="pwsh",
        start=("-NoProfile", "-Command"),
        loop="for ($i = 1; $i -le TURNS; $i++) { BODY }",
        nothing="function nothing { }",
        later="function __shellvault_hook { __shellvault_due (4000000000 + 100 * $i) }",
        load=". FILE",
        init="Invoke-Expression (& shellvault init powershell | Out-String)",
        complete="function tab { $null = TabExpansion2 'shellvault env profile-0' 24 }",
    ),
}

#: Where each shell's hook of another tool comes from, and what it is called.
PEERS = {
    "direnv": {
        "bash": ("direnv hook bash", "_direnv_hook"),
        "zsh": ("direnv hook zsh", "_direnv_hook"),
        "fish": ("direnv hook fish", "__direnv_export_eval"),
    },
    "zoxide": {
        "bash": ("zoxide init bash --hook prompt", "__zoxide_hook"),
        "zsh": ("zoxide init zsh --hook prompt", "__zoxide_hook"),
        "fish": ("zoxide init fish --hook prompt", "__zoxide_hook"),
    },
}


def available() -> dict[str, Shell]:
    """The shells that this machine has."""
    return {name: shell for name, shell in SHELLS.items() if shutil.which(shell.program)}


def write_texts(home: Home, shell: str) -> tuple[Path, Path]:
    """Two files in the home: the text of `shellvault init`, and the snippet of a session."""
    suffix = ".ps1" if shell == "powershell" else ".sh"
    init, session = home.path / f"init-{shell}{suffix}", home.path / f"session-{shell}{suffix}"
    init.write_text(home.succeed("init", shell))
    session.write_text(home.succeed("env", "work", "--shell", shell))
    return init, session


def prompt(home: Home, shell: str, *, due: bool, turns: int, rounds: int, base: Case | None = None) -> float:
    """What the hook takes at one prompt, with a refresh due or not: seconds, or as a multiple of `base`."""
    setup = [*_loaded(home, shell), *([SHELLS[shell].later] if due else [])]
    return _per_turn(home, shell, setup, "__shellvault_hook", turns, rounds, base)


def peer_prompt(home: Home, shell: str, peer: str, *, turns: int, rounds: int) -> float | None:
    """Seconds that another tool's hook takes at one prompt; None where there is no such tool or hook."""
    if shell not in PEERS[peer] or not shutil.which(peer):
        return None
    source, hook = PEERS[peer][shell]
    file = home.path / f"{peer}-{shell}"
    file.write_text(home.run(*shlex.split(source)).stdout)
    return _per_turn(home, shell, [SHELLS[shell].load.replace("FILE", str(file))], hook, turns, rounds)


def tab(home: Home, shell: str, *, turns: int, rounds: int) -> float:
    """Seconds from TAB to the profile names."""
    how = SHELLS[shell]
    init = how.load.replace("FILE", str(write_texts(home, shell)[0]))
    return _per_turn(home, shell, [init, how.complete], "tab", turns, rounds)


def _loaded(home: Home, shell: str) -> list[str]:
    return [SHELLS[shell].load.replace("FILE", str(path)) for path in write_texts(home, shell)]


def _per_turn(
    home: Home,
    shell: str,
    setup: list[str],
    call: str,
    turns: int,
    rounds: int,
    base: Case | None = None,
) -> float:
    how = SHELLS[shell]

    def case(body: str) -> Case:
        loops = [
            how.loop.replace("TURNS", str(number)).replace("BODY", what)
            for number, what in ((WARM_UP, call), (turns, body))
        ]
        return _script(shell, "\n".join([*setup, how.nothing, *loops]), home.environment)

    cases = {"call": case(call), "nothing": case("nothing")}
    if base is None:
        taken = interleaved(cases, rounds)
        return difference(taken["call"], taken["nothing"]) / turns
    taken = interleaved(cases | {"base": base}, rounds)
    net = [(one - other) / turns for one, other in zip(taken["call"], taken["nothing"], strict=True)]
    return ratio(net, taken["base"])


def start_up(home: Home, shell: str, base: Case, *, rounds: int) -> tuple[float, float, float]:
    """Seconds that an installed init file, and `shellvault init`, add to a shell's start; and those of `base`."""
    how = SHELLS[shell]
    load = how.load.replace("FILE", str(write_texts(home, shell)[0]))
    cases = {
        name: _script(shell, text, home.environment)
        for name, text in (("bare", ""), ("file", load), ("eval", how.init))
    }
    taken = interleaved(cases | {"base": base}, rounds)
    added = (difference(taken[name], taken["bare"]) for name in ("file", "eval"))
    return (*added, statistics.median(taken["base"]))


def _script(shell: str, text: str, environment: Mapping[str, str]) -> Case:
    how = SHELLS[shell]
    # The status is that of the last thing measured, which may be anything.
    ending = "exit 0"
    return program(how.program, *how.start, f"{text}\n{ending}", environment=environment)
