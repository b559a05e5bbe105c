"""Which processes are a person, a coding agent or background."""

import json
import os
import subprocess
import sys

import pytest

from shellvault.actors import DEPTH, MARKERS, PROGRAMS, UNKNOWN, Actors, Look, Process, Words, seen, words_of


class Machine:
    """Processes by number, as a test wants them."""

    def __init__(self) -> None:
        self.looks: dict[int, Look] = {}
        self.words: dict[int, Words] = {}
        self.looked = 0
        self.run(1, 0, "systemd")

    def run(
        self, pid: int, parent: int, *arguments: str, terminal: int = 0, started: int = 0, **environment: str
    ) -> "Machine":
        program = arguments[0].rpartition("/")[2].lstrip("-")
        self.looks[pid] = Look(Process(pid, str(started or pid)), parent, terminal, program, program)
        self.words[pid] = Words(arguments, environment)
        return self

    def actors(self) -> Actors:
        return Actors(self.look, lambda pid: self.words[pid])

    def look(self, pid: int) -> Look | None:
        self.looked += 1
        return self.looks.get(pid)


@pytest.fixture
def machine() -> Machine:
    """A terminal (10) with an interactive bash (11)."""
    return Machine().run(10, 1, "gnome-terminal-server").run(11, 10, "bash", terminal=3)


@pytest.mark.parametrize(
    "arguments",
    [
        ("-zsh",),
        ("bash", "-i"),
        ("bash", "--rcfile", "/x", "-i"),
        ("fish", "-C", "source x"),
        ("zsh", "-o", "noglob"),
        ("pwsh", "-NoExit", "-Command", "x"),
        ("bash", "--login"),
    ],
)
def test_a_shell_that_reads_a_terminal_is_a_person(machine: Machine, arguments: tuple[str, ...]) -> None:
    machine.run(20, 10, *arguments, terminal=4).run(21, 20, "aws", terminal=4)
    assert machine.actors().of(21).kind == "person"


@pytest.mark.parametrize(
    "arguments",
    [
        ("bash", "-c", "x"),
        ("bash", "-lc", "x"),
        ("bash", "script"),
        ("pwsh", "-c", "x"),
        ("fish", "--command=x"),
    ],
)
def test_a_shell_with_a_command_is_no_person(machine: Machine, arguments: tuple[str, ...]) -> None:
    machine.run(20, 10, *arguments, terminal=4)
    assert machine.actors().of(20).kind == "background"


def test_a_script_in_a_persons_shell_is_a_person(machine: Machine) -> None:
    machine.run(20, 11, "bash", "deploy.sh", terminal=3).run(21, 20, "aws", terminal=3)
    assert machine.actors().of(21).kind == "person"


def test_a_shell_without_a_terminal_is_background(machine: Machine) -> None:
    machine.run(20, 1, "bash").run(21, 20, "aws")
    assert machine.actors().of(21).kind == "background"


def test_what_has_lost_its_ancestors_is_background(machine: Machine) -> None:
    machine.run(20, 1, "aws", terminal=3)
    assert machine.actors().of(20).kind == "background"


@pytest.mark.parametrize("variable", MARKERS)
def test_each_marker_makes_a_coding_agent(machine: Machine, variable: str) -> None:
    machine.run(20, 11, "node", "/x/y.js", terminal=3, **{variable: "1"}).run(21, 20, "bash", "-c", "x")
    actor = machine.actors().of(21)
    assert (actor.kind, actor.root.pid) == ("coding-agent", 20)
    assert actor.program == (MARKERS[variable] or "1")


@pytest.mark.parametrize("variable", MARKERS)
def test_a_marker_that_is_switched_off_counts_for_nothing(machine: Machine, variable: str) -> None:
    machine.run(20, 11, "node", terminal=3, **{variable: "0"})
    assert machine.actors().of(20).kind == "person"


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("by", ["{}", "node /usr/bin/{}", "python3.11 /home/me/.local/bin/{}"])
def test_each_known_program_is_a_coding_agent(machine: Machine, program: str, by: str) -> None:
    machine.run(20, 11, *by.format(program).split(), terminal=3).run(21, 20, "aws")
    assert (machine.actors().of(21).kind, machine.actors().of(21).program) == (
        "coding-agent",
        PROGRAMS[program],
    )


def test_a_package_names_the_program_of_its_script(machine: Machine) -> None:
    machine.run(20, 11, "node", "/usr/lib/node_modules/@anthropic-ai/claude-code/cli.js", terminal=3)
    assert machine.actors().of(20).program == "claude-code"


def test_a_shell_that_a_coding_agent_opens_is_no_person(machine: Machine) -> None:
    machine.run(20, 11, "claude", terminal=3).run(21, 20, "bash", "-i", terminal=9).run(
        22, 21, "aws", terminal=9
    )
    assert machine.actors().of(22).kind == "coding-agent"


def test_a_marker_of_the_process_itself_counts(machine: Machine) -> None:
    machine.run(20, 11, "aws", terminal=3, CLAUDECODE="1")
    assert machine.actors().of(20).kind == "coding-agent"


def test_more_programs_and_variables_can_be_named(machine: Machine) -> None:
    machine.run(20, 11, "robo", terminal=3).run(21, 11, "x", terminal=3, ROBO="1").run(
        22, 11, "y", terminal=3
    )
    actors = machine.actors()
    actors.also(["robo", "ROBO"])
    assert [actors.of(pid).kind for pid in (20, 21, 22)] == ["coding-agent", "coding-agent", "person"]


def test_a_reused_process_id_is_no_parent(machine: Machine) -> None:
    machine.run(20, 11, "aws", started=5)
    assert machine.actors().of(20).kind == "background"


def test_a_process_that_execs_is_looked_at_again(machine: Machine) -> None:
    actors = machine.run(20, 11, "bash", terminal=3).actors()
    assert actors.of(20).kind == "person"
    machine.run(20, 11, "claude", terminal=3)
    assert actors.of(20).kind == "coding-agent"


def test_a_coding_agent_that_became_another_program_stays_one(machine: Machine) -> None:
    actors = machine.run(20, 11, "claude", terminal=3).run(21, 20, "aws", terminal=3).actors()
    assert actors.of(21).kind == "coding-agent"
    machine.run(20, 11, "bash", "-i", terminal=3).run(22, 20, "aws", terminal=3)
    assert (actors.of(20).kind, actors.of(20).program) == ("coding-agent", "claude-code")
    assert actors.of(22).root == actors.of(21).root
    fresh = machine.actors()
    fresh.restore(json.loads(json.dumps(actors.state())))
    assert fresh.of(20) == actors.of(20)
    for pid in range(1000, 7000):
        machine.run(pid, 11, "x", terminal=3, CLAUDECODE="1")
        actors.of(pid)
        if pid > 1010:
            del machine.looks[pid]
    assert actors.of(20).kind == "coding-agent"
    assert len(actors._marked) < 5000


def test_the_same_program_again_is_looked_at_again() -> None:
    words = [sys.executable, "-c", "print(2, flush=True); input()"]
    again = (
        f"import os; print(1, flush=True); input(); os.execve({words[0]!r}, {words!r}, {{'CLAUDECODE': '1'}})"
    )
    quiet = {name: value for name, value in os.environ.items() if name not in MARKERS}
    command = [sys.executable, "-c", again]
    with subprocess.Popen(command, env=quiet, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout and child.stdin and child.stdout.readline()
        before = seen(child.pid)
        child.stdin.write(b"\n")
        child.stdin.flush()
        assert child.stdout.readline() == b"2\n"
        after = seen(child.pid)
        assert before and after and before.process == after.process
        assert before.executable != after.executable
        child.communicate(b"\n")


def test_a_number_that_is_used_again_is_another_process(machine: Machine) -> None:
    actors = machine.run(20, 11, "claude", terminal=3).actors()
    assert actors.of(20).kind == "coding-agent"
    machine.run(20, 11, "aws", terminal=3, started=99)
    assert actors.of(20).kind == "person"


def test_endless_ancestors_and_none_are_unknown(machine: Machine) -> None:
    for pid in range(100, 100 + DEPTH + 5):
        machine.run(pid, pid - 1 if pid > 100 else 1, "sh")
    assert machine.actors().of(100 + DEPTH + 4) == UNKNOWN
    assert machine.actors().of(5000) == UNKNOWN
    assert UNKNOWN.kind == "coding-agent"


def test_known_ancestors_are_not_looked_at_again(machine: Machine) -> None:
    actors = machine.run(20, 11, "x").run(21, 11, "y").actors()
    actors.of(20)
    before = machine.looked
    actors.of(21)
    assert machine.looked - before == 2


def test_two_runs_of_a_program_have_names_of_their_own(machine: Machine) -> None:
    machine.run(20, 11, "claude").run(30, 11, "claude").run(21, 20, "a").run(22, 20, "b").run(31, 30, "c")
    runs = [machine.actors().of(pid).run for pid in (21, 22, 31)]
    assert runs[0] == runs[1] != runs[2]


def test_this_machine_shows_its_processes() -> None:
    marked = {**os.environ, "CLAUDECODE": "1"}
    command = [sys.executable, "-c", "import sys; print(1, flush=True); sys.stdin.read()"]
    with subprocess.Popen(command, env=marked, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        # Not before its environment is in place.
        assert child.stdout and child.stdout.readline()
        look = seen(child.pid)
        assert look and look.parent == os.getpid() and look.program.startswith("python")
        assert words_of(child.pid).environment["CLAUDECODE"] == "1"
        assert Actors(seen, words_of).of(child.pid).kind == "coding-agent"
        child.communicate()
