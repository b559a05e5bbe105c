"""What shellvault costs inside the four shells: at a prompt, at a new shell's start, and at TAB.

A shell's loop is timed from outside, once with the code in question and once with an empty function in its
place, and the difference divided by the number of turns: no shell has to have a clock.
"""

import shlex
import shutil
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.measuring import Case, difference, interleaved, program, ratio
from shellvault import locations
from shellvault.shells import SET_UP
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
    has_function: str
    """Fails where `init` has not defined the function."""
    complete: str
    """Defines the function `tab`, which completes `shellvault env profile-0` as the key does."""
    ask: str
    """What a refresh cannot do without: takes the output of the program BARE, or asks SOCKET and reads the answer."""
    least: str = ""
    """The least text that does what any must that shows something in the prompt; empty where that costs nothing."""


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
        has_function="declare -F shellvault >/dev/null || exit 9",
        complete="COMP_WORDS=(shellvault env profile-0) COMP_CWORD=2; COMP_LINE=${COMP_WORDS[*]}; "
        "COMP_POINT=${#COMP_LINE}; [[ $(complete -p shellvault) =~ -F\\ ([^ ]+) ]]; "
        "function tab { ${BASH_REMATCH[1]} shellvault profile-0 env; }; ",
        ask="answer=$(exec BARE </dev/null 2>/dev/null)",
    ),
    "zsh": Shell(
        program="zsh",
        start=("-f", "-i", "-c"),
        loop=_FOR,
        nothing="function nothing { : }",
        later="function __shellvault_clock { __shellvault_now=$(( 4000000000 + 100 * i )); }",
        load="source FILE",
        init='eval "$(shellvault init zsh)"',
        has_function="(( $+functions[shellvault] )) || exit 9",
        # Outside of a completion there is no compadd: what zsh itself does with the names is not measured.
        complete="function compadd { : }; function _describe { : }; function tab { local CURRENT=3; "
        "local -a words; words=(shellvault env profile-0); __shellvault_complete; }",
        ask="zmodload zsh/net/socket zsh/system; zsocket SOCKET; "
        "syswrite -o $REPLY -- \"SV1 - peek refresh.zsh $$ work config=/ home=/\"$'\\n'; "
        "sysread -i $REPLY -s 65536 answer; exec {REPLY}>&-",
    ),
    "fish": Shell(
        program="fish",
        start=("--no-config", "--interactive", "-c"),
        loop="for turn in (seq TURNS); set -g i $turn; BODY; end",
        nothing="function nothing; end",
        later="function __shellvault_clock; set -g __shellvault_now (math 4000000000 + 100 x $i); end",
        load="source FILE",
        init="shellvault init fish | source",
        has_function="functions -q shellvault; or exit 9",
        complete="function tab; complete -C 'shellvault env profile-0' >/dev/null; end",
        ask="set -l answer (BARE </dev/null 2>/dev/null)",
    ),
    "powershell": Shell(
        program="pwsh",
        start=("-NoProfile", "-Command"),
        loop="for ($i = 1; $i -le TURNS; $i++) { BODY }",
        nothing="function nothing { }",
        later="function __shellvault_hook { __shellvault_due (4000000000 + 100 * $i) }",
        load=". FILE",
        init="Invoke-Expression (& shellvault init powershell | Out-String)",
        has_function="if (-not $function:shellvault) { exit 9 }",
        complete="function tab { $null = TabExpansion2 'shellvault env profile-0' 24 }",
        ask="""
$socket = [Net.Sockets.Socket]::new([Net.Sockets.AddressFamily]::Unix, [Net.Sockets.SocketType]::Stream, 0)
$socket.Connect([Net.Sockets.UnixDomainSocketEndPoint]::new('SOCKET'))
$null = $socket.Send([Text.Encoding]::ASCII.GetBytes("SV1 - peek refresh.powershell $PID work config=/ home=/`n"))
$bytes = [byte[]]::new(65536)
$null = $socket.Receive($bytes)
$socket.Dispose()
""",
        least="""
function global:least { }
$inner = $function:prompt
${function:global:prompt} = { least; & $inner }.GetNewClosure()
${alias:aws} = '/nowhere/aws'
Register-ArgumentCompleter -Native -CommandName shellvault -ScriptBlock { param($word, $ast, $cursor) }
""",
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


def prompt(home: Home, shell: str, *, turns: int, rounds: int) -> float:
    """Seconds that the hook takes at one prompt with nothing due."""
    taken = _turns(home, shell, _loaded(home, shell), {"hook": "__shellvault_hook"}, turns, rounds)
    return statistics.median(taken["hook"])


def refresh(
    home: Home, shell: str, bare: Sequence[str], base: Case, *, turns: int, rounds: int
) -> tuple[float, float, float]:
    """What the hook takes when a refresh is due, and the shell's floor for that, in F; and F in seconds.

    F is the start of the program `bare`, which `base` measures.
    """
    how = SHELLS[shell]
    ask = how.ask.replace("BARE", shlex.join(bare)).replace(
        "SOCKET", str(locations.socket_path(home.environment))
    )
    setup = [*_loaded(home, shell), how.later]
    taken = _turns(home, shell, setup, {"hook": "__shellvault_hook", "floor": ask}, turns, rounds, base)
    return ratio(taken["hook"], taken["F"]), ratio(taken["floor"], taken["F"]), statistics.median(taken["F"])


def peer_prompt(home: Home, shell: str, peer: str, *, turns: int, rounds: int) -> float | None:
    """Seconds that another tool's hook takes at one prompt; None where there is no such tool or hook."""
    if shell not in PEERS[peer] or not shutil.which(peer):
        return None
    source, hook = PEERS[peer][shell]
    file = home.path / f"{peer}-{shell}"
    file.write_text(home.run(*shlex.split(source)).stdout)
    setup = [SHELLS[shell].load.replace("FILE", str(file))]
    return statistics.median(_turns(home, shell, setup, {"hook": hook}, turns, rounds)["hook"])


def tab(home: Home, shell: str, *, turns: int, rounds: int) -> float:
    """Seconds from TAB to the profile names."""
    how = SHELLS[shell]
    init = how.load.replace("FILE", str(write_texts(home, shell)[0]))
    return statistics.median(_turns(home, shell, [init, how.complete], {"tab": "tab"}, turns, rounds)["tab"])


def _loaded(home: Home, shell: str) -> list[str]:
    return [SHELLS[shell].load.replace("FILE", str(path)) for path in write_texts(home, shell)]


def _turns(
    home: Home,
    shell: str,
    setup: list[str],
    bodies: Mapping[str, str],
    turns: int,
    rounds: int,
    base: Case | None = None,
) -> dict[str, list[float]]:
    """Round by round, the seconds of one turn of each body, without those of the loop; and of `base`, as F."""
    how = SHELLS[shell]

    def case(body: str, warm_up: str) -> Case:
        loops = [
            how.loop.replace("TURNS", str(number)).replace("BODY", what)
            for number, what in ((WARM_UP, warm_up), (turns, body))
        ]
        return _script(shell, "\n".join([*setup, how.nothing, *loops]), home.environment)

    # Each body's own warm-up stands before the empty loop that it is compared with.
    cases = {name: case(body, body) for name, body in bodies.items()}
    cases |= {f"{name} nothing": case("nothing", body) for name, body in bodies.items()}
    taken = interleaved(cases | ({"F": base} if base else {}), rounds)
    net = {
        name: [
            (one - other) / turns for one, other in zip(taken[name], taken[f"{name} nothing"], strict=True)
        ]
        for name in bodies
    }
    return net | ({"F": taken["F"]} if base else {})


@dataclass(frozen=True)
class StartUp:
    """Seconds added to a shell's start: by the line of `init --install`, and by evaluating a program's output."""

    installed: float
    evaluated: float
    least_installed: float
    least_evaluated: float
    base: float
    """F."""


def start_up(home: Home, shell: str, base: Case, *, rounds: int) -> StartUp:
    """What the line of `init --install` and `init` evaluated add to a shell's start, and the floor for that."""
    how = SHELLS[shell]
    home.succeed("init", shell, "--install")
    start_up_file = SET_UP[shell].start_up_file(home.environment)
    line = start_up_file.read_text()
    start_up_file.unlink()
    least = home.path / f"least-{shell}.ps1"
    least.write_text(how.least)
    texts = {
        "bare": "",
        "installed": f"{line}\n{how.has_function}",
        "evaluated": f"{how.init}\n{how.has_function}",
        "least_installed": how.load.replace("FILE", str(least)),
        "least_evaluated": how.init.replace(f"shellvault init {shell}", f"cat {shlex.quote(str(least))}"),
    }
    if not how.least:
        del texts["least_installed"], texts["least_evaluated"]
    cases = {name: _script(shell, text, home.environment) for name, text in texts.items()}
    taken = interleaved(cases | {"base": base}, rounds)
    added = {name: difference(taken[name], taken["bare"]) for name in texts}
    return StartUp(
        added["installed"],
        added["evaluated"],
        added.get("least_installed", 0.0),
        added.get("least_evaluated", 0.0),
        statistics.median(taken["base"]),
    )


def _script(shell: str, text: str, environment: Mapping[str, str]) -> Case:
    how = SHELLS[shell]
    # The status is that of the last thing measured, which may be anything.
    ending = "exit 0"
    return program(how.program, *how.start, f"{text}\n{ending}", environment=environment)
