"""Every snippet through its shell's own checker."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from shellvault.fastlane.failing import FAILURE, POWERSHELL_FAILURE
from shellvault.shells import HOOKED, SHELLS
from shellvault.shells.render import env_snippet, leave_snippet, refresh_snippet
from tests.shells.running import PROGRAMS, real_shell, session

CHANGE = session("it's $(no) `work`", AWS_ENDPOINT_URL="http://[::1]:80/?a=b&c='\nd'")

SNIPPETS: dict[str, Callable[[str], str]] = {
    "env": lambda shell: env_snippet(shell, CHANGE),
    "leave": leave_snippet,
    "refresh": lambda shell: refresh_snippet(shell, CHANGE),
    "failure": lambda shell: (POWERSHELL_FAILURE if shell == "powershell" else FAILURE).decode(),
}

#: Prints every syntax error that PowerShell's own parser finds, and fails when there is one.
POWERSHELL_PARSER = """
$errors = $null
$null = [Management.Automation.Language.Parser]::ParseFile($args[0], [ref]$null, [ref]$errors)
$errors | ForEach-Object { $_.Message }
exit [int]($errors.Count -gt 0)
"""


def checker(shell: str, folder: Path) -> list[str]:
    """The command that checks the syntax of the file named behind it."""
    if shell != "powershell":
        return [PROGRAMS[shell][0], "-n"]
    parser = folder / "parser.ps1"
    parser.write_text(POWERSHELL_PARSER)
    return [*PROGRAMS[shell], str(parser)]


@pytest.mark.parametrize(
    ("shell", "name"),
    [
        real_shell(shell, name)
        for shell in SHELLS
        for name in SNIPPETS
        if shell in HOOKED or name != "refresh"
    ],
)
def test_a_snippet_is_sound_to_its_shell(shell: str, name: str, tmp_path: Path) -> None:
    snippet = tmp_path / f"{name}.ps1"
    snippet.write_text(SNIPPETS[name](shell))
    result = subprocess.run(
        [*checker(shell, tmp_path), str(snippet)], capture_output=True, text=True, timeout=60
    )
    assert (result.returncode, result.stdout + result.stderr) == (0, "")


@pytest.mark.parametrize("shell", [real_shell(shell) for shell in SHELLS])
def test_the_check_finds_what_is_not(shell: str, tmp_path: Path) -> None:
    broken = tmp_path / "broken.ps1"
    broken.write_text("if (")
    result = subprocess.run(
        [*checker(shell, tmp_path), str(broken)], capture_output=True, text=True, timeout=60
    )
    assert result.returncode != 0


@pytest.mark.parametrize("name", SNIPPETS)
def test_shellcheck_has_nothing_to_say_about_bash(name: str, tmp_path: Path) -> None:
    program = shutil.which("shellcheck", path=str(Path(sys.executable).parent)) or shutil.which("shellcheck")
    if program is None:
        pytest.skip("needs shellcheck")
    snippet = tmp_path / name
    snippet.write_text(SNIPPETS[name]("bash"))
    # SC2016 would have the values, which are data, expanded.
    command = [program, "--shell=bash", "--exclude=SC2016", str(snippet)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout) == (0, "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
@pytest.mark.parametrize("name", SNIPPETS)
def test_a_snippet_has_no_comment_that_zsh_would_run(shell: str, name: str) -> None:
    lines = SNIPPETS[name](shell).splitlines()
    assert not [line for line in lines if line.lstrip().startswith("#")]
