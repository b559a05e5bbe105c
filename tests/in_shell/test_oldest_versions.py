"""The oldest versions that the text is for, bash 3.2 and Windows PowerShell 5.1, as far as newer ones can tell."""

import re
import subprocess
import time
from pathlib import Path

import pytest

from shellvault.shells import init, render
from tests.in_shell.conftest import Open, enter, key, segment
from tests.in_shell.stand_in import USUAL, FastLane, refresh, session
from tests.support.terminal import program

pytestmark = pytest.mark.real

#: What came after bash 3.2, by the version that brought it (bash's NEWS).
AFTER_BASH_3_2 = {
    "4.0": r"\b(mapfile|readarray|coproc|compopt|globstar|BASHPID)\b|&>>|\|&|;;?&|\$\{\w+(\[[^]]*\])?(\^\^?|,,?)[^}]*\}"
    r"|\b(declare|local|typeset) -[a-z]*[Alu]\b|\bread [^|;\n]*-(t 0?\.|[iN]\b)",
    "4.1": r"printf -v \S*\[|\{[a-z_]+\}[<>]",
    "4.2": r"\b(declare|typeset) -[a-zA-Z]*g|(\[\[? (! )?|\btest )-v |\\[uU][0-9a-fA-F]{2}|\blastpipe\b",
    "4.3": r"\[-[0-9]|\b(declare|local|typeset) -n\b|\bwait -n\b|\[\[? (! )?-R ",
    "4.4": r"@[QEPA]\}|\blocal -(\s|$)",
    "5.0": r"\bEPOCHSECONDS(?!-\})|\bEPOCHREALTIME\b|\bBASH_ARGV0\b",
    "5.1": r"@[UuLKk]\}|\bSRANDOM\b",
}

#: Prints what the parser of PowerShell 7 knows and that of Windows PowerShell 5.1 does not: `a ? b : c`, `&&`, `||`,
#: `??`, `??=`, `?.`, `?[`, `&` at the end of a line, `clean`, and the escapes `` `e `` and `` `u{ ``.
AFTER_POWERSHELL_5_1 = r"""
$tokens = $null
$ast = [Management.Automation.Language.Parser]::ParseFile($args[0], [ref]$tokens, [ref]$null)
$ast.FindAll({
    param($node)
    $node.GetType().Name -in 'TernaryExpressionAst', 'PipelineChainAst' -or
        $node.Background -or $node.NullConditional -or $node.CleanBlock
}, $true) | ForEach-Object { $_.Extent.Text }
$tokens | Where-Object {
    "$($_.Kind)" -in 'QuestionQuestion', 'QuestionQuestionEquals' -or
        ("$($_.Kind)" -eq 'StringExpandable' -and $_.Text -cmatch '`(e|u\{)')
} | ForEach-Object Text
"""

#: One line for each of those.
NEWER = '$a ? 1 : 2\n$a ?? 1\n$a ??= 1\n${a}?.b\n${a}?[0]\nx && y\nx || y\nx &\n"`e[0m"\n"`u{41}"\n'


def _all_text(shell: str, folder: Path) -> str:
    """All that the shell is ever given to evaluate."""
    change = session()
    return "\n".join(
        (
            init.render_init(shell, USUAL, folder),
            init.hook_text(shell),
            render.env_snippet(shell, change),
            render.refresh_snippet(shell, change),
            render.leave_snippet(shell),
        )
    )


def test_bash_3_2_would_understand_it(tmp_path: Path) -> None:
    text = _all_text("bash", tmp_path)
    # A line that asks for the version first knows what it does.
    lines = [line for line in text.splitlines() if "BASH_VERSINFO" not in line]
    for version, pattern in AFTER_BASH_3_2.items():
        assert [line for line in lines if re.search(pattern, line)] == [], version


def test_a_bash_before_4_2_and_5_1_renews_in_time(
    opened: Open, lane: FastLane, now: int, tmp_path: Path
) -> None:
    text = init.render_init("bash", USUAL, tmp_path)
    assert text.count(">= 402 ))") == text.count(">= 501 ))") == 1
    terminal = opened("bash", text=text.replace(">= 402 ))", ">= 9999 ))").replace(">= 501 ))", ">= 9999 ))"))
    enter(terminal, lane, refresh_at=now + 5, expires_at=now + 3000)
    assert segment(terminal) in ("work 49m", "work 50m")
    lane.answers(
        "refresh", refresh("bash", session(key="AKIASECOND", refresh_at=now + 4000, expires_at=now + 7300))
    )
    # It counts by this variable, which anybody may set back.
    terminal.run("SECONDS=0")
    assert key(terminal) == "AKIAFIRST"
    time.sleep(max(0, now + 7 - time.time()))
    terminal.run("")
    assert key(terminal) == "AKIASECOND"
    assert segment(terminal) in ("work 2h00m", "work 2h01m")


def test_windows_powershell_5_1_would_understand_it(tmp_path: Path) -> None:
    if program("powershell") is None:
        pytest.skip("needs pwsh")
    check, newer, text = (tmp_path / f"{name}.ps1" for name in ("check", "newer", "text"))
    check.write_text(AFTER_POWERSHELL_5_1)
    newer.write_text(NEWER)
    text.write_text(_all_text("powershell", tmp_path))
    of_newer, of_text = (
        subprocess.run(
            ["pwsh", "-NoProfile", "-File", check, path], capture_output=True, text=True, check=True
        ).stdout
        for path in (newer, text)
    )
    assert len(of_newer.splitlines()) == len(NEWER.splitlines())
    assert of_text == ""
    # It reads what a program prints in the code page of the console.
    assert text.read_text().isascii()
