"""Choosing a profile: a numbered list on the terminal, or fzf where it is installed."""

import shutil
import sys
from pathlib import Path

import pexpect
import pytest

from shellvault.cli.picker import pick
from shellvault.errors import NeedsPersonError, UsageError

NAMES = ["work", "a b", "home", "homework", "$(touch touched)"]
_PROGRAM = f"from shellvault.cli.picker import pick; print('chosen:', pick({NAMES!r}) + '.')"


def _spawn(folder: Path, path: str) -> "pexpect.spawn[str]":
    root = Path(__file__).resolve().parents[2]
    return pexpect.spawn(
        sys.executable,
        ["-c", _PROGRAM],
        env={"PATH": path, "HOME": str(folder), "TERM": "xterm", "PYTHONPATH": str(root)},
        cwd=str(folder),
        encoding="utf-8",
        timeout=20,
    )


@pytest.mark.parametrize(
    ("answers", "chosen"),
    [
        (["1"], "work"),
        (["home"], "home"),
        (["A B"], "a b"),
        (["hom", "2"], "homework"),
        (["nothing like it", "2"], "a b"),
        (["99", "3"], "home"),
        (["$(touch touched)"], "$(touch touched)"),
    ],
)
def test_the_list_takes_a_number_a_name_or_a_part_of_one(
    answers: list[str], chosen: str, tmp_path: Path
) -> None:
    child = _spawn(tmp_path, "/nonexistent")
    for answer in answers:
        child.expect_exact("profile (number or part of the name): ")
        child.sendline(answer)
    child.expect_exact(f"chosen: {chosen}.")
    child.close()
    assert not (tmp_path / "touched").exists()


def test_an_empty_answer_chooses_nothing(tmp_path: Path) -> None:
    child = _spawn(tmp_path, "/nonexistent")
    child.expect_exact("profile (number or part of the name): ")
    child.sendline("")
    child.expect_exact("no profile was chosen")
    child.close()


@pytest.mark.real
def test_fzf_chooses_where_it_is_installed(tmp_path: Path) -> None:
    fzf = shutil.which("fzf")
    if fzf is None:
        pytest.skip("needs fzf")
    child = _spawn(tmp_path, str(Path(fzf).parent))
    while child.expect_exact(["profile>", "\x1b[6n"]):
        child.send("\x1b[1;1R")
    child.send("homew")
    child.expect_exact("homework")
    child.send("\r")
    child.expect_exact("chosen: homework.")
    child.close()


def test_without_names_or_a_terminal_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no profile to choose from"):
        pick([])
    monkeypatch.setattr("shellvault.cli.terminal.is_available", lambda: False)
    with pytest.raises(NeedsPersonError, match="name a profile"):
        pick(["work"])
