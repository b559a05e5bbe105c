"""What a coding agent may try to get a session that is a person's: each attack is refused, at the installed command.

A person has a warm session in a terminal, and knows nothing of it. The rules refuse coding agents, and background.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from shellvault import __version__
from tests.end_to_end.conftest import Person
from tests.end_to_end.test_callers import question
from tests.support.terminal import Terminal, terminal

pytestmark = pytest.mark.real

AGENT = {"CLAUDECODE": "1"}

#: Says something to the agent's socket and prints what comes back: `say.py SOCKET LINE`.
SAY = """
import socket, sys
with socket.socket(socket.AF_UNIX) as agent:
    agent.connect(sys.argv[1])
    agent.sendall(sys.argv[2].encode() + b"\\n")
    while data := agent.recv(65536):
        sys.stdout.buffer.write(data)
"""

#: Starts a program as an orphan in a session of its own, and waits for what it prints.
ORPHAN = """
import os, sys
read, write = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    os.dup2(write, 1)
    os.dup2(write, 2)
    while os.getppid() != 1 and os.getppid() == int(sys.argv[1]):
        pass
    os.execvp(sys.argv[2], sys.argv[2:])
os.close(write)
os.wait()
sys.stdout.write(os.fdopen(read).read())
"""


#: What gets no session from anybody: a person's mark, another's shell, no person to open the vault, or a new session of
#: a coding agent without the full command line.
NEVER = {
    "raw socket",
    *("copied request line, marked as a person", "copied request line, with a grant"),
    *("raw socket as a shell", "stolen secret", "hook's refresh"),
}
#: What says itself that it is refused, and would need more than a session to show one.
REFUSED = {"console", "without the agent", "other namespaces"}


class Victim(NamedTuple):
    """The person's shell, as another process on the machine sees it."""

    pid: str
    line: str
    secret: str
    token: str
    terminal: str


@pytest.fixture
def shell(person: Person) -> Iterator[Terminal]:
    """A person's terminal with a session of `work`."""
    person.home.set_rules(coding_agent="refuse", background="refuse")
    for name, script in (("say.py", SAY), ("orphan.py", ORPHAN)):
        (person.home.path / name).write_text(script)
    with terminal(person.home, "bash") as opened:
        opened.run('eval "$(shellvault env work)"')
        yield opened


def victim(shell: Terminal) -> Victim:
    """What an attacker has found out."""
    values = shell.printed(
        'echo "$$"; echo "$SHELLVAULT_REQUEST"; echo "${__shellvault_secret-none}"; echo "$AWS_SECRET_ACCESS_KEY"; tty'
    )
    return Victim(*values.splitlines())


def attacks(found: Victim, socket: Path) -> dict[str, list[str]]:
    """Each attack as the words of a command."""
    exec_ = ["shellvault", "exec", "work", "--", "env"]
    kept = [f"{name}={os.environ[name]}" for name in ("LANG",) if name in os.environ]

    def say(text: str) -> list[str]:
        return [sys.executable, "say.py", str(socket), text]

    python = sys.executable
    return {
        "warm cache": exec_,
        "env -i": ["bash", "-c", f'exec env -i HOME="$HOME" PATH="$PATH" XDG_RUNTIME_DIR="$XDG_RUNTIME_DIR" '
                   f'XDG_CONFIG_HOME="$XDG_CONFIG_HOME" SHELLVAULT_BACKEND=file {" ".join(kept + exec_)}'],
        "setsid": ["setsid", "--wait", *exec_],
        "nohup": ["nohup", *exec_],
        "double fork": [python, "orphan.py", "0", *exec_],
        "a shell of its own": ["bash", "-ic", " ".join(exec_)],
        "a changed program name": ["bash", "-c", f'exec -a bash {" ".join(exec_)}'],
        "raw socket": say(f"SV1 {__version__} get json - {found.line}"),
        "raw socket as a shell": say(f"SV1 - peek refresh.bash {found.pid} {found.line}"),
        "copied request line, marked as a person": say(f"SV1 {__version__} get json - {found.line} actor=person"),
        "copied request line, with a grant": say(f"SV1 {__version__} get json - {found.line} grant=1"),
        "stolen secret": say(f"SV1 - get refresh.bash {found.pid} {found.line}"),
        "hook's refresh": ["bash", "-c", f"export SHELLVAULT_REQUEST='{found.line}'; shellvault refresh --shell bash"],
        "wrapper": ["bash", "-c", "AWS_PROFILE=work exec shellvault wrap env"],
        "console": ["shellvault", "console", "work", "--stdout"],
        "without the agent": ["shellvault", "exec", "--no-agent", "work", "--", "env"],
        "other namespaces": [*(["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "-Ur"]), *exec_],
        "another's terminal": ["bash", "-c", f"exec {' '.join(exec_)} <{found.terminal} 2>&1"],
    }  # fmt: skip


@pytest.mark.parametrize("person", ["agent"], indirect=True)
def test_no_attack_gets_a_session(person: Person, shell: Terminal) -> None:
    found = victim(shell)
    socket = Path(person.home.environment["XDG_RUNTIME_DIR"]) / "shellvault" / "agent.sock"
    assert socket.exists() and found.line.startswith("work ")
    control = shell.printed("shellvault exec work -- env")
    assert "AWS_SECRET_ACCESS_KEY=" in control
    for name, words in attacks(found, socket).items():
        done = person.home.run(*words, **AGENT)
        printed = done.stdout + done.stderr
        assert "AWS_SECRET_ACCESS_KEY" not in printed, name
        assert "SecretAccessKey" not in printed, name
        assert found.token not in printed, name
        assert not printed.startswith("ok"), name
        assert name not in REFUSED or "may not use work" in printed, (name, printed)
    person.home.set_rules(coding_agent="allow")
    shown = {name: person.home.run(*words, **AGENT).stdout for name, words in attacks(found, socket).items()}
    works = {
        name for name, out in shown.items() if "AWS_SECRET_ACCESS_KEY" in out or "SecretAccessKey" in out
    }
    assert works == set(shown) - NEVER - REFUSED


#: What a coding agent may name for its own command, and what the question about it says.
OWN = {
    "settings": ({"XDG_CONFIG_HOME": "{home}/own"}, "by its own XDG_CONFIG_HOME={home}/own"),
    "another home's settings": (
        {"HOME": "{home}/own", "XDG_CONFIG_HOME": "", "AWS_CONFIG_FILE": "{home}/.aws/config"},
        "by its own XDG_CONFIG_HOME=, HOME={home}/own",
    ),
    "config file": ({"AWS_CONFIG_FILE": "{home}/own/config"}, "by its own AWS_CONFIG_FILE={home}/own/config"),
    "role": ({"AWS_ROLE_ARN": "{role}"}, "by its own AWS_ROLE_ARN={role}"),
    "endpoint": ({"AWS_ENDPOINT_URL_SSO": "http://127.0.0.1:1"}, "by its own AWS_ENDPOINT_URL_SSO="),
    "certificates": ({"AWS_CA_BUNDLE": "{home}/own/ca"}, "by its own AWS_CA_BUNDLE={home}/own/ca"),
    "tags": ({"AWS_SESSION_TAGS": "team=ops"}, "by its own AWS_SESSION_TAGS=team=ops"),
}


@pytest.mark.parametrize("person", ["agent"], indirect=True)
def test_what_a_program_names_itself_makes_no_rule_wider(person: Person, shell: Terminal) -> None:
    home = person.home
    for place in (home.path / "own" / "shellvault", home.path / "own" / ".config" / "shellvault"):
        place.mkdir(parents=True)
        (place / "config.toml").write_text('[callers]\ncoding-agent = "allow"\nbackground = "allow"\n')
    mine = home.config_file.read_text().replace("[profile work]", "[profile work]\nshellvault_callers = {}")
    (home.path / "own" / "config").write_text(mine.format("coding-agent:allow background:allow"))
    role = person.role("wide")
    person.home.set_rules(coding_agent="read-only", background="ask")
    # Background that is to be asked for is so with a role or a host of its own, too.
    for kind, marks, names in (
        ("coding-agent", AGENT, list(OWN)),
        ("background", {}, ["settings", "config file"]),
    ):
        for name in names:
            given, said = OWN[name]
            own = {each: value.format(home=home.path, role=role) for each, value in given.items()}
            waiting = home.start("shellvault", "exec", "work", "--", "env", **marks, **own)
            number = question(person)
            about = json.loads(home.succeed("requests", "--json"))[0]["about"][0]
            assert said.format(home=home.path, role=role) in about, (kind, name)
            shell.run(f"shellvault deny {number}")
            out, err = waiting.communicate(timeout=60)
            assert "AWS_SECRET_ACCESS_KEY" not in out, (kind, name)
            assert "a person has refused it" in err, (kind, name)


@pytest.mark.parametrize("person", ["agent"], indirect=True)
def test_a_variable_makes_production_no_other_profile(person: Person, shell: Terminal) -> None:
    person.home.set_rules(coding_agent="allow")
    person.configure("[profile prod]\nsource_profile = work")
    waiting = person.home.start("shellvault", "exec", "prod", "--", "env", SHELLVAULT_PRODUCTION="x", **AGENT)
    shell.run(f"shellvault deny {question(person)}")
    assert "a person has refused it" in waiting.communicate(timeout=60)[1]


@pytest.mark.parametrize("person", ["agent"], indirect=True)
def test_a_permit_is_for_what_the_profile_meant(person: Person, shell: Terminal) -> None:
    home, role = person.home, person.role("wide")
    person.home.set_rules(coding_agent="ask")
    run = home.start(
        "bash",
        "-c",
        f"shellvault exec work -- true; AWS_ROLE_ARN={role} exec shellvault exec work -- env",
        **AGENT,
    )
    shell.run(f"shellvault approve {question(person)}")
    number = question(person)
    assert "by its own AWS_ROLE_ARN" in shell.printed("shellvault requests")
    shell.run(f"shellvault deny {number}")
    assert "a person has refused it" in run.communicate(timeout=60)[1]
    (home.path / "own").write_text(
        home.config_file.read_text().replace("[profile work]", f"[profile work]\nrole_arn={role}")
    )
    given = shell.printed(
        "shellvault exec --lease 1h --full work -- env AWS_CONFIG_FILE=$HOME/own shellvault exec work -- env"
    )
    assert "work is not part of this lease" in given


@pytest.mark.parametrize("person", ["agent"], indirect=True)
def test_a_program_that_the_settings_name_stays_a_coding_agent(person: Person, shell: Terminal) -> None:
    person.home.write_settings('coding_agents = ["ROBO"]\n[callers]\ncoding-agent = "refuse"\n')
    words = ("shellvault", "exec", "work", "--", "env")
    # The first one that a fresh agent serves, and after it has become fresh.
    person.home.succeed("clear", "work")
    for given in ({}, {"XDG_CONFIG_HOME": str(person.home.path / "none")}, {}):
        waiting = person.home.start(*words, ROBO="1", **given)
        if given:
            shell.run(f"shellvault deny {question(person)}")
        out, err = waiting.communicate(timeout=60)
        assert "AWS_SECRET_ACCESS_KEY" not in out
        assert "robo" in err


#: Opens a terminal as an orphan without marks, starts a shell there, types the line and prints what is shown.
OWN_TERMINAL = """
import os, pty, sys
if os.fork():
    os._exit(0)
os.setsid()
while os.getppid() == int(sys.argv[1]):
    pass
shell, terminal = pty.fork()
if shell == 0:
    os.execvp("bash", ["bash", "--norc", "-i"])
os.write(terminal, (sys.argv[2] + " >typed 2>&1; : >over; exit\\n").encode())
try:
    while os.read(terminal, 65536):
        pass
except OSError:
    pass
"""


@pytest.mark.parametrize("person", ["agent"], indirect=True)
def test_what_types_into_a_persons_terminal_is_that_person(person: Person, shell: Terminal) -> None:
    """A stated limit: what has left its ancestors and opens a terminal looks like a person."""
    (person.home.path / "own.py").write_text(OWN_TERMINAL)
    own = f'exec env -u CLAUDECODE "{sys.executable}" own.py $$ "shellvault exec work -- env"'
    person.home.run("bash", "-c", own, **AGENT)
    shell.wait_until((person.home.path / "over").exists, "the end of its shell")
    assert "AWS_SECRET_ACCESS_KEY" in (person.home.path / "typed").read_text()


@pytest.mark.parametrize("person", ["agent"], indirect=True)
def test_a_session_can_be_read_out_of_a_program_that_has_it(person: Person, shell: Terminal) -> None:
    """A stated limit: the environment of a program is open to the other programs of its user."""
    shell.type("shellvault exec work -- sleep 60")
    shell.wait_until(lambda: any(child.name() == "sleep" for child in shell.children()), "sleep")
    (holder,) = [child.pid for child in shell.children() if child.name() == "sleep"]
    assert "AWS_SECRET_ACCESS_KEY=" in person.home.run("cat", f"/proc/{holder}/environ", **AGENT).stdout


@pytest.mark.parametrize("person", ["agent"], indirect=True)
def test_a_coding_agent_gets_no_secret_of_its_shell(person: Person, shell: Terminal) -> None:
    person.home.set_rules(coding_agent="allow")
    with terminal(person.home, "zsh") as one:
        one.run('eval "$(shellvault env work)"')
        secret = one.value("$__shellvault_secret")
        socket = Path(person.home.environment["XDG_RUNTIME_DIR"]) / "shellvault" / "agent.sock"
        ask = (
            f"'{sys.executable}' say.py {socket} \"SV1 {__version__} get refresh.zsh $$ $SHELLVAULT_REQUEST\""
        )
        assert secret in one.printed(ask)
        given = one.printed(f"export CLAUDECODE=1; {ask}; unset CLAUDECODE")
        assert given.startswith("ok") and secret not in given
        # Nor has it taken the shell's place for a session of its own.
        assert secret in one.printed(ask)


@pytest.mark.parametrize("person", ["agent"], indirect=True)
def test_a_container_with_the_socket_asks_and_answers_nothing(person: Person, shell: Terminal) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to make namespaces")
    person.home.set_rules(coding_agent="ask", background="refuse")
    waiting = person.home.start("shellvault", "exec", "work", "--", "env", **AGENT)
    number = question(person)
    inside = "unshare --mount --pid --fork --mount-proc"
    with terminal(person.home, "bash") as other:
        assert "only for commands outside of containers" in other.printed(
            f"{inside} bash -ic 'shellvault approve {number}'"
        )
        other.run(f"{inside} bash -ic 'shellvault exec work -- env >inside 2>&1'")
    assert "AWS_SECRET_ACCESS_KEY" not in (person.home.path / "inside").read_text()
    shell.run(f"shellvault deny {number}")
    assert "a person has refused it" in waiting.communicate(timeout=60)[1]


@pytest.mark.parametrize("person", ["agent"], indirect=True)
def test_a_program_that_execs_keeps_its_own_answer(person: Person, shell: Terminal) -> None:
    """Without a mark by then, it is what it was when it asked."""
    person.home.set_rules(coding_agent="ask", background="refuse")
    (person.home.path / "becomes.py").write_text(
        "import os, socket, sys\n"
        "asking = socket.socket(socket.AF_UNIX)\n"
        "asking.connect(sys.argv[1])\n"
        "asking.sendall(sys.argv[2].encode() + b'\\n')\n"
        "while b'approve' not in asking.recv(65536):\n"
        "    pass\n"
        "os.dup2(asking.fileno(), 0)\n"
        "os.execvpe('bash', ['bash', '-c', 'timeout 60 cat'], {'PATH': os.environ['PATH']})\n"
    )
    socket = Path(person.home.environment["XDG_RUNTIME_DIR"]) / "shellvault" / "agent.sock"
    line = victim(shell).line
    message = {
        "version": __version__,
        **{"do": "session", "request": line, "form": "json", "pid": None, "fresh": False, "mfa_token": None},
        **{"environment": person.home.environment, "directory": str(person.home.path)},
    }
    asking = person.home.start(sys.executable, "becomes.py", str(socket), json.dumps(message), **AGENT)
    number = question(person)
    assert "claude-code" in shell.printed("shellvault requests")
    # Background is refused at once.
    shell.run(f"shellvault approve {number} --once")
    assert '"text"' in asking.communicate(timeout=60)[0]


@pytest.mark.parametrize("person", ["agent"], indirect=True)
def test_no_coding_agent_has_the_agent_replaced(person: Person, shell: Terminal) -> None:
    """Another agent would know of no lease, no permit and no refusal."""
    socket = Path(person.home.environment["XDG_RUNTIME_DIR"]) / "shellvault" / "agent.sock"
    line = victim(shell).line
    before = socket.stat().st_ino
    for said in (
        f"SV1 0.0.1 get json - {line}",
        json.dumps({"version": "0.0.1", "do": "vault", "operation": {"do": "list"}}),
    ):
        person.home.run(sys.executable, "say.py", str(socket), said, **AGENT)
        assert socket.stat().st_ino == before
    person.home.run(sys.executable, "say.py", str(socket), f"SV1 0.0.1 get json - {line}")
    assert not socket.exists()


def test_without_the_agent_a_keyring_opens_for_every_program(keyring_person: Person) -> None:
    """A stated limit: the command reads the settings that its caller names, and the keyring is open to all."""
    home = keyring_person.home
    keyring_person.home.set_rules(coding_agent="refuse")
    (home.path / "own" / "shellvault").mkdir(parents=True)
    (home.path / "own" / "shellvault" / "config.toml").write_text('[callers]\ncoding-agent = "allow"\n')
    command = ("shellvault", "exec", "--no-agent", "work", "--", "env")
    assert "may not use work" in home.run(*command, **AGENT).stderr
    given = home.run(*command, XDG_CONFIG_HOME=str(home.path / "own"), **AGENT)
    assert "AWS_SECRET_ACCESS_KEY" in given.stdout


@pytest.mark.parametrize("person", ["agent"], indirect=True)
def test_locking_ends_leases(person: Person, shell: Terminal) -> None:
    script = person.home.path / "job.sh"
    script.write_text(
        "shellvault exec work -- true && echo has it; read _; shellvault exec work -- true; echo over"
    )
    shell.type(f"shellvault exec --lease 1h --full work -- bash {script}")
    shell.wait_for("has it")
    person.home.succeed("lock")
    shell.type("")
    shell.wait_for("the lease that this runs below has ended")
    shell.wait_for("over")


def test_a_person_can_be_asked_for_a_yes(person: Person) -> None:
    person.home.set_rules(person="ask")
    with terminal(person.home, "bash") as one:
        for answer, expected in (("n", "work was not allowed"), ("y", "it ran"), ("", "was not allowed")):
            one.screen = ""
            one.type("shellvault exec work -- echo it ran")
            one.wait_for("Use work?")
            one.type(answer)
            one.wait_for(expected)
    person.home.set_rules(person="refuse")
    with terminal(person.home, "bash") as one:
        assert "may not use work" in one.printed("shellvault exec work -- true 2>&1")


def test_the_marks_are_off_for_the_suite_itself() -> None:
    shows = "import os; from shellvault import myself; print(myself.actor(os.environ).kind)"
    words = [sys.executable, "-m", "scripts.without_callers", sys.executable, "-c", shows]
    root = Path(__file__).parents[2]
    done = subprocess.run(
        words, cwd=root, env={**os.environ, **AGENT}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "background\n"
