"""Which shell asks: real processes, started the ways that people start them."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from shellvault import protocol
from shellvault.errors import UsageError
from shellvault.fastlane import commands, failing
from shellvault.shells import HOOKED, RECORDS, SHELLS, detect
from tests.shells.running import HOOKED_SHELLS, PROGRAMS, REAL_SHELLS

ASK = "import os; from shellvault.shells.detect import detect; print(detect(os.getppid(), {}))"


def answer(*command: str) -> str:
    """What `detect` says when `command` runs the file `ask` in the end."""
    with tempfile.TemporaryDirectory() as home:
        result = subprocess.run(
            command,
            env={"PATH": os.environ["PATH"], "HOME": home},
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout.strip()


@pytest.fixture
def ask(tmp_path: Path) -> str:
    """A program that prints which shell it was started from."""
    program = tmp_path / "ask"
    program.write_text(f"#!{sys.executable}\n{ASK}\n")
    program.chmod(0o755)
    return str(program)


def command_line(shell: str, command: str) -> list[str]:
    return [*PROGRAMS[shell][:1], *(["-NoProfile", "-Command"] if shell == "powershell" else ["-c"]), command]


@pytest.mark.parametrize("shell", REAL_SHELLS)
def test_the_parent_shell_is_found(shell: str, ask: str) -> None:
    assert answer(*command_line(shell, f"{ask}; true")) == shell


@pytest.mark.parametrize("shell", REAL_SHELLS)
def test_wrappers_in_between_are_walked_through(shell: str, ask: str) -> None:
    assert answer(*command_line(shell, f"env timeout 20 {ask}; true")) == shell


@pytest.mark.parametrize("shell", HOOKED_SHELLS)
def test_an_sh_in_between_is_the_one_that_evaluates(shell: str, ask: str) -> None:
    wrapped = f"""sh -c "env {ask}; true" """
    assert answer(*command_line(shell, f"{wrapped}; true")) == "sh"


def test_a_busybox_is_what_it_is_called_with() -> None:
    for words, name in (
        (["busybox", "sh"], "sh"),
        (["/bin/ash"], "sh"),
        (["busybox", "env"], ""),
        (["-sh"], "sh"),
    ):
        process = SimpleNamespace(
            exe=lambda: "/bin/busybox", name=lambda: "", cmdline=lambda words=words: words
        )
        assert detect._name(process) == name, words  # type: ignore[arg-type]


def test_the_fast_lane_knows_the_same_shells() -> None:
    assert (set(commands.SHELLS), set(commands.HOOKED)) == (set(SHELLS), set(HOOKED))
    assert (set(protocol.SHELLS), set(protocol.HOOKED)) == (set(SHELLS), set(HOOKED))
    assert set(failing.SHELLS) == set(SHELLS)
    for program, shell in commands.EXECUTABLES.items():
        assert program in RECORDS[shell].executables


def test_the_nearest_of_several_shells_is_found(ask: str) -> None:
    inner = " ".join(command_line("bash", f"'{ask}; true'"))
    assert answer(*command_line("fish", f"{inner}; true")) == "bash"


@pytest.mark.real
def test_a_subshell_of_bash_is_bash(ask: str) -> None:
    assert answer("bash", "-c", f'echo "$({ask}; true)"') == "bash"


@pytest.mark.real
def test_a_script_with_a_name_of_its_own_is_its_shell(ask: str, tmp_path: Path) -> None:
    script = tmp_path / "fish"
    script.write_text(f"#!/bin/bash\n{ask}\ntrue\n")
    script.chmod(0o755)
    assert answer(str(script)) == "bash"


@pytest.mark.real
def test_a_login_shell_is_known_by_its_program(ask: str) -> None:
    assert answer("bash", "-c", f"exec -a -zsh bash -c '{ask}; true'") == "bash"


@pytest.fixture
def asleep(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that no shell is an ancestor of, as far as it can be seen: its title is `tcsh`."""
    program = tmp_path / "tcsh"
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    process = subprocess.Popen([program, "60"])
    yield process
    process.kill()
    process.wait()


def test_a_shell_of_another_language_ends_the_search(asleep: subprocess.Popen[bytes]) -> None:
    with pytest.raises(UsageError, match=r"^tcsh is not a shell that shellvault speaks: .*--shell bash"):
        detect.detect(asleep.pid, {"SHELL": "/bin/bash"})


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/usr/bin/bash-5.2", "bash"),
        ("-zsh", "zsh"),
        ("/bin/zsh5", "zsh"),
        ("C:\\Program Files\\PowerShell\\7\\pwsh.exe", "powershell"),
        ("powershell.exe", "powershell"),
        ("/opt/homebrew/bin/fish", "fish"),
        ("/bin/sh", "sh"),
        ("/usr/bin/dash", "sh"),
        ("/bin/ksh93", "sh"),
    ],
)
def test_the_login_shell_decides_where_no_process_can_be_seen(path: str, name: str) -> None:
    assert detect.detect(2**30, {"SHELL": path}) == name


@pytest.mark.parametrize("environment", [{}, {"SHELL": ""}, {"SHELL": "/usr/bin/nu"}])
def test_without_any_sign_the_error_says_which_option_to_use(environment: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=r"^cannot tell .*--shell bash\|zsh\|fish\|powershell\|sh$"):
        detect.detect(2**30, environment)
