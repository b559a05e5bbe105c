"""What the fast lane answers itself when the agent has the session."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shellvault import __version__
from shellvault.fastlane import request
from tests.fastlane.agent_stand_in import StandIn
from tests.fastlane.conftest import Lane


def requested(lane: Lane, name: str, **options: str) -> str:
    """The request line that the full command line would build."""
    given = {option.replace("_", "-"): value for option, value in options.items()}
    return request.encode(name, given, lane.environment, str(lane.directory))


@pytest.mark.parametrize("shell", ["bash", "fish", "powershell", "zsh"])
def test_env_prints_the_snippet_of_the_shell(lane: Lane, agent: StandIn, shell: str) -> None:
    done = lane.run("env", "work", "--shell", shell)
    brought = f"text of env.{shell}\n# the hook\n"

    assert (done.returncode, done.stdout, done.stderr) == (0, brought.encode(), b"")


def test_a_shell_with_the_hook_gets_the_snippet_alone(lane: Lane, agent: StandIn) -> None:
    assert lane.run("env", "--shell", "bash", "--no-hook", "work").stdout == b"text of env.bash\n"


def test_export_prints_json(lane: Lane, agent: StandIn) -> None:
    assert lane.run("export", "--format", "json", "work").stdout == b"text of json\n"
    assert lane.run("export", "--format=json", "work").stdout == b"text of json\n"


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ([], {}),
        (["--region", "eu-west-1"], {"region": "eu-west-1"}),
        (["--region=eu-west-1"], {"region": "eu-west-1"}),
        (["-d", "1h", "-n"], {"duration": "1h", "no_session": "1"}),
        (["--duration=1h", "--no-session"], {"duration": "1h", "no_session": "1"}),
        (["--backend", "file", "--min-remaining", "20m"], {"backend": "file", "min_remaining": "20m"}),
    ],
)
@pytest.mark.parametrize("before", [True, False], ids=["before the name", "after the name"])
def test_both_lanes_ask_the_agent_for_the_same(
    lane: Lane, agent: StandIn, arguments: list[str], options: dict[str, str], before: bool
) -> None:
    lane.environment.update({"AWS_MFA_SERIAL": "arn:aws:iam::1:mfa/ü", "AWS_CONFIG_FILE": "some where"})
    words = [*arguments, "name with spaces"] if before else ["name with spaces", *arguments]
    done = lane.run("env", "--shell", "zsh", *words)

    assert done.returncode == 0
    key = requested(lane, "name with spaces", **options)
    assert agent.requests == [f"SV1 {__version__} peek env.zsh {os.getpid()} {key}"]


def test_without_a_name_the_environments_profile_is_used(lane: Lane, agent: StandIn) -> None:
    lane.environment["AWS_DEFAULT_PROFILE"] = "second"
    assert lane.run("export", "--format", "json").returncode == 0
    lane.environment["AWS_PROFILE"] = "first"
    assert lane.run("export", "--format", "json").returncode == 0

    asked = [line.split(" ")[5] for line in agent.requests]
    assert asked == ["second", "first"]


def test_a_session_that_the_worker_must_get_is_waited_for(lane: Lane, agent: StandIn) -> None:
    agent.answer = lambda line: b"ok\nfetched\n" if " get " in line else b"wait\n"

    assert lane.run("export", "work", "--format", "json").stdout == b"fetched\n"


def test_the_shell_is_detected_from_the_parent_process(lane: Lane, agent: StandIn) -> None:
    for shell in ("bash", "zsh", "fish"):
        subprocess.run(
            [shell, "-c", '"$@" || exit; true', "x", *lane.command("env", "work")]
            if shell != "fish"
            else [shell, "-c", "$argv; or exit; true", *lane.command("env", "work")],
            env=lane.environment,
            check=True,
        )

    assert [line.split(" ")[3] for line in agent.requests] == ["env.bash", "env.zsh", "env.fish"]


def test_the_agent_learns_of_the_shell_and_not_of_its_subshell(lane: Lane, agent: StandIn) -> None:
    ask = 'f() { "$@"; true; }; x=$(f "$@"; true); echo $$'
    done = subprocess.run(
        ["bash", "-c", ask, "x", *lane.command("env", "work")],
        env=lane.environment,
        check=True,
        stdout=subprocess.PIPE,
    )

    assert agent.requests[0].split(" ")[4] == done.stdout.decode().strip()


def test_a_reader_that_has_gone_ends_the_command_quietly(lane: Lane, agent: StandIn) -> None:
    agent.answer = lambda line: b"ok\n" + b"x" * 200_000 + b"\n"
    reading, writing = os.pipe()
    running = subprocess.Popen(
        lane.command("env", "work", "--shell", "bash"),
        env=lane.environment,
        stdout=writing,
        stderr=subprocess.PIPE,
    )
    os.close(writing)
    os.read(reading, 1)
    os.close(reading)

    assert running.communicate(timeout=20)[1] == b""
    assert running.returncode == 141


def test_an_interrupt_while_waiting_ends_the_command(lane: Lane, agent: StandIn) -> None:
    agent.answer = lambda line: None if " get " in line else b"wait\n"
    running = subprocess.Popen(
        lane.command("env", "work", "--shell", "bash"), env=lane.environment, stderr=subprocess.PIPE
    )
    while len(agent.requests) < 2:
        assert running.poll() is None
    running.send_signal(signal.SIGINT)

    assert running.communicate(timeout=20)[1] == b"\n"
    assert running.returncode == 130


def test_a_warm_command_imports_only_a_socket(lane: Lane, agent: StandIn, tmp_path: Path) -> None:
    """The list of modules is written where the process would end."""
    bare = {
        "_abc",
        "_codecs",
        "_frozen_importlib",
        "_frozen_importlib_external",
        "_imp",
        "_io",
        "_signal",
        "_thread",
    }
    bare |= {
        "_warnings",
        "_weakref",
        "abc",
        "builtins",
        "codecs",
        "encodings",
        "encodings.aliases",
        "encodings.utf_8",
    }
    bare |= {"io", "marshal", "posix", "sys", "time", "zipimport", "__main__"}
    ours = {"shellvault"} | {
        f"shellvault.fastlane{part}" for part in ("", ".commands", ".connection", ".request")
    }
    watch = (
        "import posix, sys\n"
        "leave = posix._exit\n"
        "def show(status):\n"
        "    posix.write(2, ' '.join(sorted(sys.modules)).encode())\n"
        "    leave(status)\n"
        "posix._exit = show\n"
        "sys.argv = ['x', 'env', '--no-hook', 'work', '--shell', 'bash']\n"
        f"sys.path.insert(0, {str(lane.script.parents[1])!r})\n"
        "from shellvault.__main__ import main\n"
        "main()\n"
    )
    # From a file, as the launcher starts it: from 3.13 on `-c` loads linecache.
    watcher = tmp_path / "watch.py"
    watcher.write_text(watch)
    command = [sys.executable, "-I", "-S", str(watcher)]
    done = subprocess.run(command, env=lane.environment, capture_output=True, check=True)

    assert done.stdout == b"text of env.bash\n"
    assert set(done.stderr.decode().split()) - bare == {*ours, "shellvault.__main__", "_socket"}
