"""Choosing from a list on the terminal: by fzf where it is installed, else by keys in a list of our own."""

import shutil
import sys
from pathlib import Path

import pexpect
import pytest

from shellvault.cli.picker import Choice, pick
from shellvault.errors import NeedsPersonError, UsageError

CHOICES = [
    Choice("work", ("123456789012 admin", "eu-central-1", "47m")),
    Choice("a b", ("", "", "")),
    Choice("home", ("", "us-east-1", "")),
    Choice("homework", ("", "", "")),
    Choice("$(touch touched)", ("", "", "")),
]
_PROGRAM = f"""
from shellvault.cli.output import LeftError
from shellvault.cli.picker import Choice, pick
try:
    print('chosen:', pick({CHOICES!r}, 'profile') + '.')
except LeftError as left:
    print('left:', left.exit_status, repr(str(left)))
"""

#: Every way out of it.
LEAVING = {"Esc": "\x1b", "Ctrl-C": "\x03"}


def _spawn(folder: Path, path: str) -> "pexpect.spawn[str]":
    root = Path(__file__).resolve().parents[2]
    return pexpect.spawn(
        sys.executable,
        ["-c", _PROGRAM],
        env={"PATH": path, "HOME": str(folder), "TERM": "xterm", "PYTHONPATH": str(root)},
        cwd=str(folder),
        encoding="utf-8",
        timeout=30,
        dimensions=(24, 80),
    )


def _expect(child: "pexpect.spawn[str]", text: str) -> None:
    """Waits for the text, and says where the cursor is when asked."""
    while child.expect_exact([text, "\x1b[6n"]):
        child.send("\x1b[1;1R")


@pytest.fixture
def own(tmp_path: Path) -> "pexpect.spawn[str]":
    """Our own list, where there is no fzf."""
    child = _spawn(tmp_path, "/nonexistent")
    _expect(child, "homework")
    return child


@pytest.mark.parametrize(
    ("keys", "chosen"),
    [
        (["\r"], "work"),
        (["\x1b[B", "\r"], "a b"),
        (["\x1b[A", "\r"], "$(touch touched)"),
        (["homew", "\r"], "homework"),
        (["admin", "\r"], "work"),
    ],
    ids=["Enter", "down", "up", "a part of the name", "a part of the role"],
)
def test_our_own_list_takes_keys_and_a_part_of_a_line(
    keys: list[str], chosen: str, own: "pexpect.spawn[str]", tmp_path: Path
) -> None:
    for key in keys:
        own.send(key)
    _expect(own, f"chosen: {chosen}.")
    own.close()
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("key", LEAVING)
def test_leaving_our_own_list_is_silent(key: str, own: "pexpect.spawn[str]") -> None:
    own.send(LEAVING[key])
    _expect(own, "left: 130 ''")
    own.close()


@pytest.fixture
def fzf(tmp_path: Path) -> "pexpect.spawn[str]":
    """fzf with our list."""
    found = shutil.which("fzf")
    if found is None:
        pytest.skip("needs fzf")
    child = _spawn(tmp_path, str(Path(found).parent))
    _expect(child, "profile>")
    return child


@pytest.mark.real
def test_fzf_chooses_where_it_is_installed(fzf: "pexpect.spawn[str]") -> None:
    fzf.send("admin")
    _expect(fzf, "admin")
    fzf.send("\r")
    _expect(fzf, "chosen: work.")
    fzf.close()


@pytest.mark.real
@pytest.mark.parametrize("key", LEAVING)
def test_leaving_fzf_is_silent(key: str, fzf: "pexpect.spawn[str]") -> None:
    fzf.send(LEAVING[key])
    _expect(fzf, "left: 130 ''")
    fzf.close()


def test_without_choices_or_a_terminal_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no sign-in to choose from"):
        pick([], "sign-in")
    monkeypatch.setattr("shellvault.cli.terminal.is_available", lambda: False)
    with pytest.raises(NeedsPersonError, match="name a profile"):
        pick(CHOICES, "profile")
