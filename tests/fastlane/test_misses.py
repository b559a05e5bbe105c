"""What the fast lane does not know runs the full command line, with the same arguments, nothing written."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shellvault import locations
from shellvault.fastlane import connection
from tests.fastlane.agent_stand_in import StandIn
from tests.fastlane.conftest import FULL, Lane


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--version", "env"],
        ["help"],
        ["help", "env"],
        ["exec", "work", "--help"],
        ["wrap", "--help"],
        ["--debug", "env", "work"],
        ["list"],
        ["add", "work"],
        ["env"],
        ["env", ""],
        ["env", "--help"],
        ["env", "work", "home", "--shell", "bash"],
        ["env", "work", "--shell", "tcsh"],
        ["env", "work", "--shell"],
        ["env", "--shell", "bash", "--", "work"],
        ["env", "-", "--shell", "bash", "x"],
        ["env", "work", "--shell", "bash", "--fresh"],
        ["env", "work", "--shell", "bash", "--no-agent"],
        ["env", "work", "--shell", "bash", "--debug"],
        ["env", "work", "--shell", "bash", "--server"],
        ["env", "work", "--shell", "bash", "-t", "123456"],
        ["env", "work", "--shell", "bash", "--region"],
        ["env", "work", "--shell", "bash", "--region="],
        ["env", "work", "--shell", "bash", "--region", "--no-session"],
        ["env", "work", "--shell", "bash", "--region", "a", "--region", "b"],
        ["env", "work", "--shell", "bash", "--reg", "a"],
        ["env", "work", "--shell", "bash", "-d1h"],
        ["env", "work", "--shell", "bash", "-d=1h"],
        ["env", "work", "--shell", "bash", "-nd", "1h"],
        ["env", "work", "--shell", "bash", "--no-session=1"],
        ["env", "work", "--shell", "bash", "--format", "json"],
        ["env", "work", "--shell", "bash", "--read-only=1"],
        ["env", "work", "--shell", "bash", "--policy", "/no/such/file"],
        ["env", "work", "--shell", "bash", "--policy", "/dev/null"],
        ["env", "work", "--shell", "bash", "--policy", "."],
        ["env", "work", "--shell", "bash", "--policy-arn", "a", "--policy-arn", "b"],
        ["env", "work", "--leave"],
        ["export", "work"],
        ["export", "work", "--format", "ini"],
        ["export", "work", "--format", "exec"],
        ["export", "work", "--format", "json", "--shell", "bash"],
        ["exec", "work"],
        ["exec", "work", "--"],
        ["exec", "--", "true"],
        ["exec", "work", "home", "--", "true"],
        ["exec", "work", "--server", "--", "true"],
        ["exec", "work", "--ec2-server", "--", "true"],
        ["exec", "work", "--lazy", "--", "true"],
        ["exec", "work", "git", "--", "true"],
        ["refresh"],
        ["refresh", "bash"],
        ["refresh", "tcsh", "1"],
        ["refresh", "bash", "x"],
        ["init"],
        ["init", "bash"],
        ["init", "bash", "--no-prompt"],
        ["init", "--install"],
    ],
    ids=" ".join,
)
def test_a_command_line_that_only_the_full_one_may_judge(
    lane: Lane, agent: StandIn, arguments: list[str]
) -> None:
    assert lane.misses(*arguments)


@pytest.mark.parametrize("value", ["1", "yes"])
def test_without_the_agent_by_the_users_wish(lane: Lane, agent: StandIn, value: str) -> None:
    lane.environment["SHELLVAULT_NO_AGENT"] = value

    assert lane.misses("export", "work", "--format", "json")
    assert agent.requests == []


@pytest.mark.parametrize("variable", ["SHELLVAULT_PROFILE_ENV", "AWS_VAULT_PROFILE_ENV"])
def test_a_variable_that_gives_a_name_instead_of_a_session(lane: Lane, agent: StandIn, variable: str) -> None:
    lane.environment[variable] = "true"

    assert lane.misses("exec", "work", "--", "true")
    assert agent.requests == []


@pytest.mark.parametrize("value", ["", "0"])
def test_a_variable_that_does_not_forbid_the_agent(lane: Lane, agent: StandIn, value: str) -> None:
    lane.environment["SHELLVAULT_NO_AGENT"] = value

    assert lane.run("export", "work", "--format", "json").returncode == 0


def test_no_agent(lane: Lane) -> None:
    assert lane.misses("export", "work", "--format", "json")


def test_an_agent_that_has_died_and_left_its_socket(lane: Lane) -> None:
    path = Path(lane.environment["XDG_RUNTIME_DIR"], "shellvault", "agent.sock")
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(path))

    assert lane.misses("export", "work", "--format", "json")


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"\n",
        b"ok",
        b"ok\n",
        b"ok\ncut off",
        b"OK\ntext\n",
        b"ok \ntext\n",
        b"ok\r\ntext\n",
        b"miss\n",
        b"miss\ntext\n",
        b"wait\n",
        b"needs-you\n",
        b"needs-you\ntext\n",
        b'{"error": {}}\n',
        b"\xff\xfe\x00\n",
        b"ok\n" + b"x" * (connection.REPLY_LIMIT + 1) + b"\n",
    ],
    ids=lambda reply: repr(reply[:20]),
)
def test_a_reply_without_a_session(lane: Lane, agent: StandIn, reply: bytes) -> None:
    agent.answer = lambda line: reply

    assert lane.misses("env", "work", "--shell", "bash")
    assert lane.misses("exec", "work", "--", "true")


def test_an_agent_that_hangs_is_left_after_a_second(lane: Lane, agent: StandIn) -> None:
    agent.answer = lambda line: None
    started = time.monotonic()

    assert lane.misses("env", "work", "--shell", "bash")
    assert 0.9 < time.monotonic() - started < 5


def test_an_agent_of_another_user(lane: Lane) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to be two users")
    path = Path(lane.environment["XDG_RUNTIME_DIR"], "shellvault", "agent.sock")
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        # The kernel remembers who called listen(2).
        os.seteuid(65534)
        listener.listen()
        os.seteuid(0)

        assert lane.misses("env", "work", "--shell", "bash")
        connection, _ = listener.accept()
        assert connection.recv(100) == b""


@pytest.mark.parametrize(("config", "is_miss"), [("", False), ("/there/config", False), ("config", True)])
def test_a_removed_folder_only_where_the_config_file_was_in_it(
    lane: Lane, agent: StandIn, config: str, is_miss: bool
) -> None:
    folder = lane.directory / "gone"
    folder.mkdir()
    done = subprocess.run(
        [
            "sh",
            "-c",
            'cd gone && rmdir ../gone && exec "$@"',
            "x",
            *lane.command("env", "work", "--shell", "bash"),
        ],
        env=lane.environment | {"AWS_CONFIG_FILE": config},
        cwd=lane.directory,
        capture_output=True,
    )

    assert (done.stdout == b"full:env\0work\0--shell\0bash") is is_miss


def test_arguments_that_are_not_utf_8_stay_unchanged(lane: Lane) -> None:
    assert lane.run("env", b"\xff\xfe", b"--shell", b"bash").stdout == b"full:env\0\xff\xfe\0--shell\0bash"


def test_python_m_goes_the_same_way(lane: Lane, agent: StandIn) -> None:
    command = [sys.executable, "-m", "shellvault"]
    environment = lane.environment | {"PYTHONPATH": str(lane.script.parents[1])}
    results = [
        subprocess.run([*command, *arguments], env=environment, cwd=lane.directory, stdout=subprocess.PIPE)
        for arguments in (["export", "work", "--format", "json"], ["list"])
    ]

    assert [(done.returncode, done.stdout) for done in results] == [
        (0, b"text of json\n"),
        (FULL, b"full:list"),
    ]


def test_a_damaged_installation_says_so_in_one_line(lane: Lane) -> None:
    for missing in ("cli/door.py", "fastlane/request.py"):
        (lane.script.parent / missing).unlink()
        done = lane.run("list")

        assert (done.returncode, done.stdout) == (1, b"")
        assert done.stderr.startswith(b"shellvault: error: this installation is damaged (")
        assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("name", ["short", "x" * 80], ids=["short", "too long for a socket"])
@pytest.mark.parametrize("exists", [True, False], ids=["exists", "missing"])
@pytest.mark.parametrize("state", ["/st", "relative", None])
def test_the_socket_is_where_locations_has_it(
    tmp_path: Path, name: str, exists: bool, state: str | None
) -> None:
    runtime = tmp_path / name
    if exists:
        runtime.mkdir()
    environment = {"HOME": str(tmp_path / "home"), "XDG_RUNTIME_DIR": str(runtime)}
    if state:
        environment["XDG_STATE_HOME"] = str(tmp_path) + state if state.startswith("/") else state

    assert connection.socket_path(environment) == str(locations.socket_path(environment))
    assert connection.state_directory(environment) == str(locations.state_directory(environment))
