"""Dialogs about callers: where they are shown, with which program, what is in them, and what counts as an answer."""

import os
from pathlib import Path

import pytest

from shellvault.actors import Actor, Process, Words
from shellvault.agent import dialogs
from shellvault.agent.dialogs import ANSWERS, PROGRAMS, answer_of, command, place_for, text_of

HOSTILE = 'claude-code wants <b>prod</b> & \\n "x" %0A $(id) a_b'
DISPLAY = {"DISPLAY": ":7", "HOME": "/home/ada", "LD_PRELOAD": "/tmp/evil.so", "GTK_MODULES": "evil"}


def process(number: int) -> Process:
    return Process(number, str(number))


def actor(kind: str, *pids: int, root: int = 0) -> Actor:
    chain = tuple(map(process, pids))
    names = tuple("x" for _ in pids)
    return Actor(kind, "claude-code", process(root or pids[0]), chain, names, tuple(0 for _ in pids))  # type: ignore[arg-type]


CLAUDE = actor("coding-agent", 22, 21, 20, 11, 1, root=20)


@pytest.fixture
def desktop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[int, dict[str, str]]:
    """The environments of processes, which all live; a dialog program is in the folder `bin`."""
    environments: dict[int, dict[str, str]] = {}
    monkeypatch.setattr(dialogs, "is_alive", lambda process: True)
    monkeypatch.setattr(dialogs, "words_of", lambda pid: Words((), environments.get(pid, {})))
    monkeypatch.setattr(dialogs, "TRUSTED", os.getuid())
    monkeypatch.setattr(dialogs, "_PLACES", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "kdialog").write_text("#!/bin/sh\n")
    (tmp_path / "bin" / "kdialog").chmod(0o755)
    return environments


def found(asker: Actor, *persons: int, last: tuple[int, ...] = ()) -> dialogs.Place | None:
    """Where a dialog is shown, when these processes are shells of a person."""

    def actor_of(pid: int) -> Actor:
        return actor("person" if pid in persons else "background", pid)

    return place_for(asker, [process(pid) for pid in last], actor_of)


def test_it_is_shown_where_the_shell_above_the_program_is(desktop: dict[int, dict[str, str]]) -> None:
    desktop |= {11: DISPLAY, 20: {"DISPLAY": ":66"}, 30: {"DISPLAY": ":8"}}
    place = found(CLAUDE, 11, 30, last=(30,))
    assert place and place.program == "kdialog"
    assert place.environment == {"DISPLAY": ":7", "HOME": "/home/ada", "PATH": dialogs._PLACES}


def test_without_one_the_last_person_sees_it(desktop: dict[int, dict[str, str]]) -> None:
    desktop |= {30: {"WAYLAND_DISPLAY": "wayland-0"}}
    place = found(CLAUDE, 11, 30, 31, last=(31, 30, 1))
    assert place and place.environment["WAYLAND_DISPLAY"] == "wayland-0"


@pytest.mark.parametrize("below", [(20,), (21,), (22,), (40, 20, 1)])
def test_it_is_never_shown_on_a_display_of_what_asks(
    desktop: dict[int, dict[str, str]], below: tuple[int, ...]
) -> None:
    desktop |= dict.fromkeys((20, 21, 22, 40), DISPLAY)
    assert found(CLAUDE, *below, last=below) is None
    background = actor("background", 22, 20, 1)
    assert found(background, 40, last=(40, 22, 1)) is None


def test_it_is_not_shown_on_a_display_of_no_person(desktop: dict[int, dict[str, str]]) -> None:
    desktop |= {11: DISPLAY, 30: DISPLAY}
    assert found(CLAUDE, last=(30,)) is None


@pytest.mark.parametrize("mode", [0o755, 0o775, 0o757, 0o644, None])
def test_only_a_program_that_others_cannot_change_is_used(
    desktop: dict[int, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int | None
) -> None:
    desktop |= {11: DISPLAY}
    if mode is None:
        monkeypatch.setattr(dialogs, "TRUSTED", os.getuid() + 1)
    else:
        (tmp_path / "bin" / "kdialog").chmod(mode)
    assert (found(CLAUDE, 11) is not None) == (mode == 0o755)


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_program_shows_the_question_as_text(program: str) -> None:
    arguments, said = command(
        program, text_of([HOSTILE], "/home/\x1b[2Ja", ["claude"], "why\n<i>"), "claude-code"
    )
    shown = " ".join(arguments) + said.decode()
    assert "\x1b" not in shown
    if program in ("zenity", "kdialog"):
        assert "<b>" not in shown and "<i>" not in shown and "&lt;b&gt;prod&lt;/b&gt; &amp;" in shown
    if program == "zenity":
        assert "\\\\n" in shown
    if program.startswith("pinentry"):
        assert len(said.decode().splitlines()) == 5 and "%250A" in said.decode()
    assert all(answer.text.format(program="claude-code") in shown for answer in ANSWERS)


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_answer_is_understood_and_nothing_else(program: str) -> None:
    for answer in ANSWERS:
        said = answer.text.format(program="claude-code") if program == "osascript" else answer.word
        printed = f"OK ready\nD {said}\nOK\n" if program.startswith("pinentry") else f"{said}\n"
        assert answer_of(program, printed.encode(), "claude-code") == answer
    for printed in (
        "",
        "false",
        "yes",
        "no once",
        "ERR 83886179",
        "D once\nD no",
        "\udc80".encode("utf-8", "surrogateescape").decode("latin-1"),
    ):
        assert answer_of(program, printed.encode(), "claude-code") is None


def test_the_answer_under_the_cursor_is_no() -> None:
    assert (ANSWERS[0].word, ANSWERS[0].is_yes) == ("no", False)
