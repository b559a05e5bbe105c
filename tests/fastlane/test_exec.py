"""`exec` through the fast lane: the program gets what it would have got without it, and the session."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shellvault.fastlane import program, request
from shellvault.variables import PRIVATE_VARIABLES
from tests.fastlane.agent_stand_in import StandIn
from tests.fastlane.conftest import Lane

#: Prints arguments and environment as they are, NUL-separated.
TELL = """
import os, sys
for what in ("cmdline", "environ"):
    sys.stdout.buffer.write(open(f"/proc/self/{what}", "rb").read() + b"|")
"""


@pytest.fixture
def tell(lane: Lane) -> Path:
    """A program that tells what it was given, first on PATH."""
    folder = lane.directory / "programs"
    folder.mkdir()
    script = folder / "tell"
    script.write_text(f"#!{sys.executable} -IS\n{TELL}")
    script.chmod(0o755)
    lane.environment["PATH"] = f"{folder}:{lane.environment['PATH']}"
    return script


def told(output: bytes) -> tuple[list[bytes], dict[bytes, bytes]]:
    words, variables, _ = output.split(b"\0|")
    return words.split(b"\0")[3:], dict(item.split(b"=", 1) for item in variables.split(b"\0"))


def serve(agent: StandIn, text: str) -> None:
    agent.answer = lambda line: b"ok\n" + text.encode()


ODD_ARGUMENTS = [
    b"",
    b"--",
    b"a b",
    b"a,b",
    b"-t:5",
    b"*",
    b"\n",
    b"--region",
    b"$(touch x)",
    b"\xff\xfe",
    "é☃".encode(),
]


def test_arguments_reach_the_program_byte_for_byte(lane: Lane, agent: StandIn, tell: Path) -> None:
    serve(agent, "AWS_REGION=x\n")
    words, _ = told(lane.run("exec", "work", "--", "tell", *ODD_ARGUMENTS).stdout)

    assert words == ODD_ARGUMENTS


@pytest.mark.parametrize("language", ["C", "C.UTF-8", "POSIX", None])
def test_the_environment_is_the_one_before_with_the_changes(
    lane: Lane, agent: StandIn, tell: Path, language: str | None
) -> None:
    serve(
        agent,
        f"AWS_SESSION_TOKEN={request.escape('a=b c%/é')}\nAWS_VAULT=work\n-AWS_PROFILE\n-AWS_ROLE_ARN\n",
    )
    del lane.environment["LANG"]
    if language:
        lane.environment["LC_ALL"] = language
    before = {name.encode(): value.encode() for name, value in lane.environment.items()}
    before |= {b"ODD": b"\xff\n'", b"EMPTY": b"", b"AWS_VAULT": b"old"}
    secret = {b"SHELLVAULT_FILE_PASSPHRASE": b"secret", b"AWS_VAULT_FILE_PASSPHRASE": b"secret"}
    done = subprocess.run(
        lane.command("exec", "work", "--", "tell"),
        env=before | secret | {b"AWS_PROFILE": b"p"},
        stdout=subprocess.PIPE,
        check=True,
    )

    assert told(done.stdout)[1] == before | {b"AWS_SESSION_TOKEN": "a=b c%/é".encode(), b"AWS_VAULT": b"work"}


def test_the_order_of_the_variables_stays(lane: Lane, agent: StandIn) -> None:
    serve(agent, "AWS_B=new\nAWS_Z=new\n")
    lane.environment.update({"AWS_B": "old", "AWS_A": "a"})
    lines = lane.run("exec", "work", "--", "env").stdout.decode().splitlines()

    assert [line for line in lines if line.startswith("AWS_")] == ["AWS_B=new", "AWS_A=a", "AWS_Z=new"]


def test_a_command_may_follow_the_name_without_dashes(lane: Lane, agent: StandIn, tell: Path) -> None:
    serve(agent, "AWS_REGION=x\n")
    assert told(lane.run("exec", "-n", "work", "tell", "-n", "x").stdout)[0] == [b"-n", b"x"]


def test_the_exit_status_is_the_programs(lane: Lane, agent: StandIn) -> None:
    serve(agent, "AWS_REGION=x\n")
    assert lane.run("exec", "work", "--", "sh", "-c", "exit 7").returncode == 7
    assert lane.run("exec", "work", "--", "sh", "-c", "kill -TERM $$").returncode == -15


def test_the_program_has_the_same_process_and_default_signals(lane: Lane, agent: StandIn) -> None:
    serve(agent, "AWS_REGION=x\n")
    running = subprocess.Popen(
        lane.command("exec", "work", "--", "sh", "-c", "echo $$; grep SigIgn /proc/self/status"),
        env=lane.environment,
        stdout=subprocess.PIPE,
        restore_signals=True,
    )
    pid, ignored = running.communicate(timeout=20)[0].split(maxsplit=1)

    assert int(pid) == running.pid
    # signal(7): the C library keeps 32 and 33 for itself, and below some programs (make) they arrive ignored.
    assert int(ignored.split()[1], 16) & ~(0b11 << 31) == 0


def test_no_descriptor_stays_open(lane: Lane, agent: StandIn) -> None:
    serve(agent, "AWS_REGION=x\n")
    done = lane.run("exec", "work", "--", "sh", "-c", "echo /proc/self/fd/*")

    assert done.stdout.split() == [f"/proc/self/fd/{number}".encode() for number in (0, 1, 2, 3)]


def test_what_cannot_run_is_left_to_the_full_command_line(lane: Lane, agent: StandIn) -> None:
    serve(agent, "AWS_REGION=x\n")
    plain, script = lane.directory / "plain", lane.directory / "no interpreter"
    plain.write_text("text")
    script.write_text("#!/nowhere/python\n")
    script.chmod(0o755)

    for command in ("no-such-program", str(plain), str(lane.directory), str(script), ""):
        assert lane.misses("exec", "work", "--", command, "argument")


def test_a_program_that_could_not_run_leaves_the_signals(lane: Lane, agent: StandIn) -> None:
    serve(agent, "AWS_REGION=x\n")
    main = lane.script.parent / "cli" / "door.py"
    main.write_text("import signal\ndef main(): print(signal.getsignal(signal.SIGPIPE).name)\n")

    assert lane.run("exec", "work", "--", "/no/such/program").stdout == b"SIG_IGN\n"


def test_the_search_on_path_is_that_of_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    folders = [tmp_path / name for name in ("not-executable", "folder", "right", "later")]
    for folder in folders:
        folder.mkdir()
    (folders[0] / "it").write_text("")
    (folders[1] / "it").mkdir()
    for folder in folders[2:]:
        (folder / "it").write_text("")
        (folder / "it").chmod(0o755)
    monkeypatch.chdir(folders[3])
    together = ":".join(map(str, folders))

    for path in (
        together,
        f"/missing::{together}",
        f"{folders[2]}/:x",
        "",
        "/usr/bin:/bin",
        f"{folders[0]}:{folders[1]}",
    ):
        for name in ("it", "sh", "nothing"):
            assert program.find(name, path) == shutil.which(name, path=path)


@pytest.mark.parametrize("text", ["NAME\n", "NAME=%\n", "NAME=%ZZ\n", "=x=\n\n", "NAME=ü\n"])
def test_an_answer_that_is_none_is_a_miss(lane: Lane, agent: StandIn, text: str) -> None:
    serve(agent, text)
    assert lane.misses("exec", "work", "--", "true")


def test_both_lanes_have_the_same_private_variables() -> None:
    assert [os.fsdecode(name) for name in program.PRIVATE_VARIABLES] == list(PRIVATE_VARIABLES)
