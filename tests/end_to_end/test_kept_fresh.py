"""The open shell stays fresh: `init` in a start-up file, the real agent and worker, and sessions of some seconds."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Person, settle
from tests.support.clients import need
from tests.support.emulator import Aws, Keys
from tests.support.home import Home
from tests.support.sts_front import StsFront
from tests.support.terminal import PATIENCE, PROGRAMS, SHELLS, Terminal

pytestmark = pytest.mark.real

#: The one line that a person puts into the shell's start-up file.
INIT = {
    "bash": 'eval "$(shellvault init bash)"',
    "zsh": 'eval "$(shellvault init zsh)"',
    "fish": "function fish_prompt; echo '> '; end; shellvault init fish | source",
    "powershell": "Invoke-Expression (& shellvault init powershell | Out-String)",
}

#: Without that line: what is typed to enter and to leave.
ENTER = {
    "bash": 'eval "$(shellvault env {})"',
    "zsh": 'eval "$(shellvault env {})"',
    "fish": "shellvault env {} | source",
    "powershell": "shellvault env {} | Out-String | Invoke-Expression",
}

#: A shell within the shell, which reads the same start-up file.
NESTED = {
    "bash": "bash --noprofile --rcfile ~/start-up -i",
    "zsh": "zsh -d -i",
    "fish": "fish -i",
    "powershell": "pwsh",
}

#: What a shell changes by itself from one command to the next.
THEIR_OWN = (b"_=", b"SHLVL=", b"COLUMNS=", b"LINES=")

Opened = Callable[..., Terminal]
Environment = dict[bytes, bytes]


@pytest.fixture
def person(home: Home, aws: Aws, front: StsFront) -> Person:
    """A person who has an agent."""
    del home.environment["SHELLVAULT_NO_AGENT"]
    return settle(home, aws, front)


@pytest.fixture
def opened(person: Person) -> Iterator[Opened]:
    """Opens the one terminal of a test, in the person's home."""
    terminals: list[Terminal] = []

    def open_terminal(shell: str, start_up: str = "", under: tuple[str, ...] = ()) -> Terminal:
        need(PROGRAMS[shell])
        terminal = Terminal(shell, person.home.path, start_up + "\n", person.home.environment, under)
        terminals.append(terminal)
        return terminal

    yield open_terminal
    for terminal in terminals:
        terminal.close()


def environment(terminal: Terminal) -> Environment:
    """The environment that a child of the shell gets, byte for byte."""
    place = terminal.home / "environment"
    program = "env -0 >'{}'" if terminal.shell != "powershell" else "sh -c \"env -0 >'{}'\""
    terminal.run(program.format(place))
    found = dict(line.split(b"=", 1) for line in place.read_bytes().split(b"\0") if b"=" in line)
    return {name: value for name, value in found.items() if name + b"=" not in THEIR_OWN}


def keys_after(terminal: Terminal, before: Environment, seconds: float = 25) -> Environment:
    """Presses Enter now and then until the prompt has brought new keys; fails after that many seconds."""
    deadline = time.monotonic() + seconds
    while (now := environment(terminal))[b"AWS_ACCESS_KEY_ID"] == before[b"AWS_ACCESS_KEY_ID"]:
        assert time.monotonic() < deadline, f"still the old keys:\n{terminal.screen[-2000:]}"
        time.sleep(0.5)
    return now


def works(person: Person, found: Environment) -> bool:
    """Whether AWS takes the session of that environment."""
    names = (b"AWS_ACCESS_KEY_ID", b"AWS_SECRET_ACCESS_KEY", b"AWS_SESSION_TOKEN")
    return person.aws.identity(Keys(*(found[name].decode() for name in names))).endswith(person.user)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_day_in_a_shell(shell: str, person: Person, opened: Opened) -> None:
    """Use, run, be refreshed, nest, switch, leave; afterwards the environment is what it was, byte for byte."""
    person.configure("[profile other]\nsource_profile = work\nregion = us-west-2")
    person.front.lifetime = 20
    person.home.environment.update(
        {"AWS_PROFILE": "it's $HOME", "AWS_REGION": "", "AWS_VAULT": "grüße\nzwei"}
    )
    terminal = opened(shell, INIT[shell])
    terminal.run("")
    before = environment(terminal)

    terminal.run("shellvault use work")
    first = environment(terminal)
    assert first[b"AWS_VAULT"] == b"work"
    assert b"AWS_PROFILE" not in first
    assert works(person, first)

    second = keys_after(terminal, first)
    assert works(person, second)
    assert int(second[b"SHELLVAULT_EXPIRES_AT"]) > int(first[b"SHELLVAULT_EXPIRES_AT"])

    terminal.run(NESTED[shell])
    inside = environment(terminal)
    assert inside[b"AWS_ACCESS_KEY_ID"] != first[b"AWS_ACCESS_KEY_ID"]
    inherited = keys_after(terminal, inside)
    assert works(person, inherited)
    terminal.run("shellvault leave")
    assert not [name for name in environment(terminal) if name.startswith((b"AWS_ACC", b"SHELLVAULT_REQ"))]
    terminal.type("exit")
    time.sleep(1)
    terminal.run("")
    assert environment(terminal)[b"AWS_VAULT"] == b"work"

    terminal.run("shellvault use other")
    switched = environment(terminal)
    assert (switched[b"AWS_VAULT"], switched[b"AWS_REGION"]) == (b"other", b"us-west-2")

    terminal.run("shellvault leave")
    assert environment(terminal) == before
    assert "Traceback" not in terminal.screen


@pytest.mark.parametrize("shell", SHELLS)
def test_one_line_without_init_stays_fresh_and_leaves_no_trace(
    shell: str, person: Person, opened: Opened
) -> None:
    person.front.lifetime = 20
    terminal = opened(shell)
    before = environment(terminal)
    terminal.run(ENTER[shell].format("work"))
    first = environment(terminal)
    second = keys_after(terminal, first)
    assert works(person, second)
    terminal.run(ENTER[shell].format("--leave"))
    terminal.run("")
    assert environment(terminal) == before
    assert "Traceback" not in terminal.screen


def test_a_new_tmux_pane_adopts_the_session_and_keeps_it_fresh(person: Person, tmp_path: Path) -> None:
    """The agent has not heard of the pane before it asks; so the first answer is to ask again after 30 seconds."""
    home = person.home
    person.front.lifetime = 6
    (home.path / ".bashrc").write_text(f"{INIT['bash']}\n")
    place = home.path / "shown"
    tmux = (str(need("tmux")), "-S", str(tmp_path / "tmux"), "-f", "/dev/null")
    entered = home.run("shellvault", "exec", "work", "--", *tmux, "new-session", "-d", "bash")
    assert entered.returncode == 0, entered.stderr
    try:
        assert home.run(*tmux, "split-window", "bash").returncode == 0
        shown: set[str] = set()
        deadline = time.monotonic() + 2 * PATIENCE
        while len(shown) < 2 and time.monotonic() < deadline:
            home.run(*tmux, "send-keys", f"echo $AWS_ACCESS_KEY_ID $AWS_VAULT >'{place}'", "Enter")
            time.sleep(1)
            if place.exists() and place.read_text().endswith(" work\n"):
                shown.add(place.read_text())
        assert len(shown) == 2
    finally:
        home.run(*tmux, "kill-server")


_TRACE = ("strace", "-f", "-qq", "-e", "trace=clone,clone3,fork,vfork,execve", "-o")


def started(trace: Path, since: int) -> list[str]:
    """The processes (not threads) started in the trace after its first `since` lines."""
    return [
        line
        for line in trace.read_text().splitlines()[since:]
        if not any(word in line for word in ("CLONE_THREAD", "resumed", "exited"))
    ]


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize("shell", SHELLS)
def test_a_hundred_prompts_start_no_process(
    shell: str, person: Person, opened: Opened, tmp_path: Path
) -> None:
    # Not by the shell that is traced: the agent's workers are processes too.
    person.home.succeed("env", "work", "--shell", shell)
    trace = tmp_path / "trace"
    terminal = opened(shell, INIT[shell], (*_TRACE, str(trace)))
    terminal.run("shellvault use work")
    before = len(trace.read_text().splitlines())
    for _ in range(100):
        terminal.type("")
    terminal.run("")
    assert started(trace, before) == []
    assert environment(terminal)[b"AWS_VAULT"] == b"work"


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize("shell", ["zsh", "powershell"])
def test_refreshes_start_no_process(shell: str, person: Person, opened: Opened, tmp_path: Path) -> None:
    """With keys that the real agent has got from AWS in the meantime.

    An agent that has been started anew does not know the shell's secret: one process brings a new one.
    """
    # Long enough for a worker to start and renew ahead of the shell on a busy machine.
    person.front.lifetime = 20
    # Not by the shell that is traced: the agent's workers are processes too.
    person.home.succeed("env", "work", "--shell", shell)
    trace = tmp_path / "trace"
    terminal = opened(shell, INIT[shell], (*_TRACE, str(trace)))
    terminal.run("shellvault use work")
    name = "$env:AWS_ACCESS_KEY_ID" if shell == "powershell" else "$AWS_ACCESS_KEY_ID"

    def renewals(count: int) -> list[str]:
        """What processes so many new keys have taken."""
        before = len(trace.read_text().splitlines())
        seen = {terminal.value(name)}
        # An answer to come again later is a pause of half a minute.
        deadline = time.monotonic() + 50
        while len(seen) <= count and time.monotonic() < deadline:
            time.sleep(0.3)
            seen.add(terminal.value(name))
        assert len(seen) > count
        return started(trace, before)

    assert renewals(1) == []
    secret = terminal.value(
        "$global:__shellvault_secret" if shell == "powershell" else "$__shellvault_secret"
    )
    person.home.succeed("agent", "stop")
    person.front.lifetime = 3600
    # For this kind of shell, so that the new agent has the text at once.
    person.home.succeed("env", "work", "--shell", shell)
    assert [line for line in renewals(1) if "execve(" in line]
    renewed = terminal.value(
        "$global:__shellvault_secret" if shell == "powershell" else "$__shellvault_secret"
    )
    assert (len(secret), len(renewed), secret == renewed) == (32, 32, False)


def test_a_renewed_session_is_as_narrow_as_the_one_before(person: Person, opened: Opened) -> None:
    person.configure(f"[profile admin]\nsource_profile = work\nrole_arn = {person.role('admin')}")
    person.front.lifetime = 20
    terminal = opened("bash", INIT["bash"])
    terminal.run("shellvault use --read-only admin")
    first = environment(terminal)
    renewed = keys_after(terminal, first)
    assert first[b"SHELLVAULT_NARROWED"] == renewed[b"SHELLVAULT_NARROWED"] == b"ro"
    assert terminal.value("$SHELLVAULT_SEGMENT").startswith("admin ro <1m")
    names = (b"AWS_ACCESS_KEY_ID", b"AWS_SECRET_ACCESS_KEY", b"AWS_SESSION_TOKEN")
    iam = person.aws.client("iam", Keys(*(renewed[name].decode() for name in names)))
    assert iam.list_users()["Users"]
    with pytest.raises(iam.exceptions.ClientError, match="AccessDenied"):
        iam.create_user(UserName=f"{person.user}-renewed")
