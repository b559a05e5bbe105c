"""A command that finds no agent starts one by itself, and the full command line is not loaded for that."""

import subprocess
import time
from pathlib import Path

import pytest

from shellvault import variables
from shellvault.fastlane import commands
from tests.fastlane.conftest import Lane

#: An agent that notes its start, detaches itself, serves for two seconds and has every session.
AGENT = """
import os, socket, sys, time
folder, notes = sys.argv[2], {notes!r}
with open(notes, "a") as file:
    print(*sorted(os.environ), file=file)
os.setsid()
if os.fork():
    os._exit(0)
time.sleep(0.2)
listener = socket.socket(socket.AF_UNIX)
listener.bind(folder + "/agent.sock")
listener.listen(64)
listener.settimeout(2)
os.close(1)
while True:
    try:
        connection = listener.accept()[0]
    except TimeoutError:
        break
    with connection, connection.makefile("rb") as asked:
        words = asked.readline().split()
        if words:
            connection.sendall({reply!r})
os.unlink(folder + "/agent.sock")
"""

#: Every command that wants a session.
DOORS = (
    ["env", "work", "--shell", "bash", "--no-hook"],
    ["export", "work", "--format", "json"],
    ["exec", "work", "--", "printenv", "AWS_VAULT"],
)


def write_agent(lane: Lane, reply: bytes) -> Path:
    notes = lane.directory / "notes"
    (lane.script.parent / "agent").mkdir()
    code = AGENT.format(notes=str(notes), reply=reply)
    (lane.script.parent / "agent" / "__main__.py").write_text(code)
    return notes


@pytest.mark.parametrize("command", DOORS, ids=lambda command: command[0])
def test_the_first_command_starts_the_agent_itself(lane: Lane, command: list[str]) -> None:
    notes = write_agent(lane, b"ok\nAWS_VAULT=work\n" if command[0] == "exec" else b"ok\ntext\n")
    lane.environment["SECRET"] = "not for the agent"
    done = lane.run(*command)

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout
    assert "SECRET" not in notes.read_text()


def test_many_commands_at_once_start_one_agent(lane: Lane) -> None:
    notes = write_agent(lane, b"ok\ntext\n")
    running = [
        subprocess.Popen(
            lane.command("export", "work", "--format", "json"),
            env=lane.environment,
            cwd=lane.directory,
            stdout=subprocess.PIPE,
        )
        for _ in range(10)
    ]

    assert {process.communicate(timeout=20)[0] for process in running} == {b"text\n"}
    assert notes.read_text().count("\n") == 1


def test_an_agent_that_ends_at_once_is_a_miss(lane: Lane) -> None:
    (lane.script.parent / "agent").mkdir()
    (lane.script.parent / "agent" / "__main__.py").write_text("raise SystemExit(1)")
    started = time.monotonic()

    assert lane.misses("export", "work", "--format", "json")
    assert time.monotonic() - started < 3


def test_a_folder_that_others_can_enter_starts_nothing(lane: Lane) -> None:
    notes = write_agent(lane, b"ok\ntext\n")
    folder = Path(lane.environment["XDG_RUNTIME_DIR"], "shellvault")
    folder.mkdir()
    folder.chmod(0o777)

    assert lane.misses("export", "work", "--format", "json")
    assert not notes.exists()


@pytest.mark.parametrize("variable", variables.PASSPHRASE_VARIABLES)
def test_a_passphrase_variable_takes_the_full_command_line(lane: Lane, variable: str) -> None:
    notes = write_agent(lane, b"ok\ntext\n")
    lane.environment[variable] = "passphrase"

    assert lane.misses("export", "work", "--format", "json")
    assert variable not in notes.read_text()


def test_the_passphrases_are_those_of_the_full_command_line() -> None:
    assert commands.PASSPHRASE_VARIABLES == variables.PASSPHRASE_VARIABLES
