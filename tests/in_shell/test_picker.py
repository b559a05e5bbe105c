"""Choosing from a list on the terminal: by fzf where it is installed, else by keys in a list of our own."""

import contextlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pexpect
import pyte
import pytest

from shellvault.dialogue.output import LeftError
from shellvault.dialogue.picker import _FZF_RANKING, Choice, pick
from shellvault.errors import NeedsPersonError, UsageError

CHOICES = [
    Choice("work", ("123456789012 admin", "eu-central-1", "47m")),
    Choice("a b", ("", "", "")),
    Choice("home", ("", "us-east-1", "")),
    Choice("homework", ("", "", "")),
    Choice("$(touch touched)", ("", "", "")),
    Choice("prod-admin", ("381000000000 AdministratorAccess", "ca-central-1", "does not expire")),
    Choice("prod-reader", ("381000000000 ReadOnlyAccess", "", "")),
    Choice("nonprod", ("999999999999 ThreadAccess", "", "")),
    Choice("prod", ("", "", "")),
]
#: What is typed, and what Enter takes then: a word, the beginning of one, a part of one, in that order.
EXACT_FIRST = {
    "prod 381 read": "prod-reader",
    "home": "home",
    "prod": "prod",
    "read": "prod-reader",
    "PROD-a": "prod-admin",
    "thread": "nonprod",
    "admin 123": "work",
}
_PROGRAM = f"""
from shellvault.dialogue.output import LeftError
from shellvault.dialogue.picker import Choice, pick
try:
    print('chosen:', pick({CHOICES!r}, 'profile') + '.')
except LeftError as left:
    print('left:', left.exit_status, repr(str(left)))
"""

#: Every way out of it.
LEAVING = {"Esc": "\x1b", "Ctrl-C": "\x03"}


def _spawn(folder: Path, path: str, columns: int = 80) -> "pexpect.spawn[str]":
    root = Path(__file__).resolve().parents[2]
    return pexpect.spawn(
        sys.executable,
        ["-c", _PROGRAM],
        # A person's options must not switch the search off.
        env={
            "PATH": path,
            "HOME": str(folder),
            "TERM": "xterm",
            "PYTHONPATH": str(root),
            "FZF_DEFAULT_OPTS": "--disabled",
        },
        cwd=str(folder),
        encoding="utf-8",
        timeout=30,
        dimensions=(24, columns),
    )


def _expect(child: "pexpect.spawn[str]", text: str) -> None:
    """Waits for the text, and says where the cursor is when asked."""
    while child.expect_exact([text, "\x1b[6n"]):
        child.send("\x1b[1;1R")


@pytest.fixture
def own(tmp_path: Path) -> "pexpect.spawn[str]":
    """Our own list, where there is no fzf."""
    child = _spawn(tmp_path, "/nonexistent")
    _expect(child, "nonprod")
    return child


@pytest.mark.parametrize(
    ("keys", "chosen"),
    [
        (["\r"], "work"),
        (["\x1b[B", "\r"], "a b"),
        (["\x1b[A", "\r"], "prod"),
        (["homew", "\r"], "homework"),
        (["zz", "\r", "\x15", "touch", "\r"], "$(touch touched)"),
        (["nnprd", "\r"], "nonprod"),
        (["work", "\x7f\x7f\x7f\x7f", "\t", "\r"], "a b"),
        (["\x1b[200~home\x1b[201~", "\r"], "home"),
    ],
    ids=["Enter", "down", "up", "a part", "nothing matches", "only letters", "erased", "pasted"],
)
def test_our_own_list_takes_keys_and_what_is_typed(
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
    _expect(child, "nonprod")
    return child


@pytest.mark.real
@pytest.mark.parametrize("typed", EXACT_FIRST)
@pytest.mark.parametrize("kind", ["own", "fzf"])
def test_what_stands_there_comes_before_what_is_like_it(
    kind: str, typed: str, request: pytest.FixtureRequest
) -> None:
    child = request.getfixturevalue(kind)
    child.send(typed)
    # fzf sorts a moment after the last key.
    time.sleep(0.5)
    child.send("\r")
    _expect(child, f"chosen: {EXACT_FIRST[typed]}.")
    child.close()


LINES = ["nonprod thread", "homework", "the longest line home", "prod admin"]
#: By our option for fzf: what a person's options may say instead, what is typed, and which line is first with ours.
OPPOSITES: dict[str, tuple[str, str, str | None]] = {
    "--exact": ("--no-exact", "nnprd", None),
    "--extended": ("--no-extended", "admin prod", "prod admin"),
    "-i": ("+i", "ADMIN", "prod admin"),
    "--sort": ("--no-sort", "home", "the longest line home"),
    "--no-tac": ("--tac", "", "nonprod thread"),
    "--nth=..": ("--nth=1", "admin", "prod admin"),
    "--tiebreak=chunk,index": ("--tiebreak=length", "home", "the longest line home"),
}


def test_no_option_of_a_person_changes_what_fzf_takes() -> None:
    fzf = shutil.which("fzf")
    if fzf is None:
        pytest.skip("needs fzf")

    def first(options: list[str], defaults: str, typed: str) -> str | None:
        done = subprocess.run(
            [fzf, *options, f"--filter={typed}"],
            env={"PATH": "/usr/bin:/bin", "FZF_DEFAULT_OPTS": defaults},
            input="\n".join(LINES),
            capture_output=True,
            text=True,
        )
        return done.stdout.splitlines()[0] if done.stdout else None

    for option, (opposite, typed, wanted) in OPPOSITES.items():
        others = [each for each in _FZF_RANKING if each != option]
        assert first([*_FZF_RANKING], opposite, typed) == wanted, option
        assert first(others, opposite, typed) != wanted, option
    # `--filter` searches in any case: the tests on a terminal have `--disabled`.
    assert {*OPPOSITES, "--enabled"} == {*_FZF_RANKING}


def test_an_fzf_that_cannot_rank_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "fzf").write_text("#!/bin/sh\necho 'invalid sort criterion: chunk' >&2\nexit 2\n")
    (tmp_path / "fzf").chmod(0o700)
    child = _spawn(tmp_path, str(tmp_path))
    _expect(child, "type to filter")
    child.send("prod 381 read\r")
    _expect(child, "chosen: prod-reader.")
    child.close()


def test_a_narrow_terminal_shows_each_choice_on_one_line(tmp_path: Path) -> None:
    child = _spawn(tmp_path, "/nonexistent", columns=40)
    screen = pyte.Screen(40, 24)
    stream = pyte.Stream(screen)
    with contextlib.suppress(pexpect.TIMEOUT):
        while True:
            stream.feed(child.read_nonblocking(4096, timeout=2))
    lines = [line.rstrip() for line in screen.display if line.strip()]
    assert lines[:2] == ["profile> (type to filter, Esc leaves)", "> work              123456789012 admin"]
    assert len(lines) == 1 + len(CHOICES)
    child.send("\x1b")
    _expect(child, "left: 130")
    child.close()


@pytest.mark.real
def test_fzf_chooses_where_it_is_installed(fzf: "pexpect.spawn[str]") -> None:
    fzf.send("eu-c")
    time.sleep(0.5)
    fzf.send("\r")
    _expect(fzf, "chosen: work.")
    fzf.close()


@pytest.mark.real
@pytest.mark.parametrize("key", LEAVING)
def test_leaving_fzf_is_silent(key: str, fzf: "pexpect.spawn[str]") -> None:
    fzf.send(LEAVING[key])
    _expect(fzf, "left: 130 ''")
    fzf.close()


def test_without_choices_or_a_terminal_no_person_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no sign-in to choose from"):
        pick([], "sign-in")
    monkeypatch.setattr("shellvault.dialogue.terminal.is_available", lambda: False)
    with pytest.raises(NeedsPersonError, match="name a profile"):
        pick(CHOICES, "profile")


def test_a_dumb_terminal_gets_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr("shellvault.dialogue.terminal.is_available", lambda: True)
    written: list[str] = []
    monkeypatch.setattr("shellvault.dialogue.terminal.write", written.append)
    for typed, chosen in ((["99", "2"], CHOICES[1].name), ([CHOICES[0].name], CHOICES[0].name)):
        answers = iter(typed)
        monkeypatch.setattr("shellvault.dialogue.terminal.ask", lambda *_, it=answers, **__: next(it))
        assert pick(CHOICES, "profile") == chosen
    assert "  2  " in written[0] and "there is no such profile\n" in written
    monkeypatch.setattr("shellvault.dialogue.terminal.ask", lambda *_, **__: "")
    with pytest.raises(LeftError):
        pick(CHOICES, "profile")
