"""A program that runs as a child of ours behaves as if we were not there: signals, job control, terminal, status."""

import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.support.home import Home
from tests.support.interrupted import COUNT, each_interrupt_comes_once
from tests.support.terminal import Terminal, terminal

#: Runs its arguments as `exec --ec2-server` does, without the server.
RUN = """
import os, shutil, sys
from shellvault.cli import child
with child.holding_signals() as mask:
    status = child.run(shutil.which(sys.argv[1]), sys.argv[1:], dict(os.environ), mask)
sys.exit(status)
"""


def command(*program: str) -> list[str]:
    """What runs the program as a child of ours."""
    return [sys.executable, "-c", RUN, *program]


@pytest.fixture
def counting(tmp_path: Path) -> Iterator[pexpect.spawn]:
    """A program in a terminal that says what it is sent."""
    words = command(sys.executable, "-c", COUNT)
    child = pexpect.spawn(words[0], words[1:], cwd=str(tmp_path), encoding="utf-8", timeout=30)
    child.expect_exact("<ready>")
    yield child
    child.close(force=True)


def test_ctrl_c_reaches_the_child_once(counting: pexpect.spawn) -> None:
    each_interrupt_comes_once(counting)


def test_what_is_sent_to_us_reaches_the_child(counting: pexpect.spawn) -> None:
    counting.kill(signal.SIGINT)
    counting.expect_exact("<interrupted>")
    counting.kill(signal.SIGUSR1)
    counting.expect(pexpect.EOF)
    counting.wait()
    assert counting.exitstatus == 128 + signal.SIGUSR1


@pytest.mark.parametrize(
    ("script", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", 137), ("kill -PIPE $$", 141)]
)
def test_the_exit_status_is_the_childs(script: str, status: int) -> None:
    done = subprocess.run(command("sh", "-c", script), timeout=30, stdin=subprocess.DEVNULL)
    assert done.returncode == status


def test_without_a_terminal_input_and_output_are_the_childs() -> None:
    done = subprocess.run(
        command("cat"), input=b"text", capture_output=True, timeout=30, start_new_session=True
    )
    assert (done.stdout, done.stderr) == (b"text", b"")


def below_a_shell(setting: str, *program: str) -> str:
    """What the program prints, started by a shell that has prepared something by `setting`."""
    words = ["sh", "-c", f'{setting}; exec "$@"', "sh", *program]
    return subprocess.run(words, capture_output=True, text=True, timeout=30).stdout


def test_a_closed_input_stays_closed() -> None:
    look = ["sh", "-c", "test -e /proc/$$/fd/0 && echo open || echo closed"]
    assert below_a_shell("exec <&-", *command(*look)) == "closed\n"


def test_signals_that_were_ignored_stay_ignored() -> None:
    # Not those that glibc keeps for itself (signal(7): the first two of the real-time ones).
    look = [
        sys.executable,
        "-c",
        "import signal as s; print([n for n in range(1, 32) if s.getsignal(n) == s.SIG_IGN])",
    ]
    ignored = below_a_shell("trap '' INT HUP", *command(*look))
    assert ignored == below_a_shell("trap '' INT HUP", *look)
    assert "1, 2" in ignored


def test_the_window_size_is_the_childs(home: Home) -> None:
    with terminal(home, "bash") as shell:
        script = home.path / "run"
        script.write_text(RUN)
        wait = "trap 'stty size; exit' WINCH; echo $((40 + 2)); while :; do sleep 0.1; done"
        shell.type(f"{sys.executable} {script} sh -c {shlex.quote(wait)}")
        shell.wait_for("42")
        shell.process.setwinsize(31, 97)
        shell.wait_for("31 97")


def stopped(shell: Terminal) -> None:
    """Presses Ctrl-Z until the shell has its terminal back."""
    shell.press("\x1a")
    shell.wait_for(r"Stopped")


def test_a_job_is_stopped_and_continued(home: Home) -> None:
    """Twice: what was stopped once may not be taken for stopped again when it goes on."""
    script = home.path / "run"
    script.write_text(RUN)
    with terminal(home, "bash") as shell:
        shell.type(
            f'{sys.executable} {script} sh -c \'echo rea""dy; read a; echo "<$a>"; read b; echo "<$b>"\''
        )
        shell.wait_for("ready")
        stopped(shell)
        shell.type("fg")
        shell.type("one")
        shell.wait_for("<one>")
        stopped(shell)
        shell.type("fg")
        shell.type("two")
        shell.wait_for("<two>")
        shell.finish()


def test_a_child_that_stops_itself_gives_the_terminal_back(home: Home) -> None:
    script = home.path / "run"
    script.write_text(RUN)
    with terminal(home, "bash") as shell:
        shell.type(f"{sys.executable} {script} sh -c 'kill -STOP $$; echo back'")
        shell.wait_for("Stopped")
        start = time.monotonic()
        shell.type("fg")
        shell.wait_for("\nback")
        assert time.monotonic() - start < 20


def test_a_shell_below_has_jobs_of_its_own(home: Home) -> None:
    """It takes the terminal for groups of its own, and gives it back when it is suspended or ends."""
    script = home.path / "run"
    script.write_text(RUN)
    with terminal(home, "bash", "PS1='out> '") as shell:
        shell.type(f"PS1='in''> ' {sys.executable} {script} bash --norc --noprofile -i")
        shell.wait_for("in> ")
        shell.type("sleep 60 & fg")
        shell.wait_for("sleep 60\\s")
        shell.press("\x03")
        shell.wait_for("in> ")
        shell.type("suspend")
        shell.wait_for(r"Stopped[\s\S]*out> ")
        shell.type("fg")
        shell.type("echo ba''ck; exit 5")
        shell.wait_for("back")
        shell.wait_for("out> ")
        assert shell.value("$?") == "5"
