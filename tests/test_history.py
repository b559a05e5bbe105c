"""The record of sessions: whole lines, for its user alone, of bounded size."""

import json
import threading
from pathlib import Path

import pytest

from shellvault import history
from shellvault.actors import Actor, Process
from shellvault.protocol import Message

ACTOR = Actor("coding-agent", "claude-code", Process(9, "1"), (Process(9, "1"),), ("aws", "claude"), (34819,))


def entry(profile: str = "dev", **more: str) -> Message:
    return history.entry(ACTOR, "/work", "exec", profile, "given", {"account": "123456789012"}, **more)


def recorded(folder: Path) -> list[str]:
    return [found["profile"] for found in history.entries(folder)]


def test_an_entry_has_program_session_and_place(tmp_path: Path) -> None:
    history.append(tmp_path, [entry(reason="a\x1b[2Jb")])
    (found,) = history.entries(tmp_path)
    assert (found["actor"], found["program"], found["terminal"]) == ("coding-agent", "claude-code", "pts/3")
    assert (found["folder"], found["account"], found["reason"]) == ("/work", "123456789012", "a\x1b[2Jb")
    assert b"\x1b" not in (tmp_path / history.NAME).read_bytes()


def test_the_record_is_for_its_user_alone(tmp_path: Path) -> None:
    history.append(tmp_path, [entry()])
    file = tmp_path / history.NAME
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o644)
    history.append(tmp_path, [entry()])
    assert file.stat().st_mode & 0o777 == 0o600


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / history.NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        history.append(tmp_path, [entry()])
    assert not (tmp_path / "elsewhere").exists()


def test_a_line_that_was_cut_off_costs_no_other(tmp_path: Path) -> None:
    history.append(tmp_path, [entry("a")])
    with (tmp_path / history.NAME).open("a") as file:
        file.write('{"at": 1, "prof')
    history.append(tmp_path, [entry("b")])
    assert recorded(tmp_path) == ["a", "b"]


def test_a_full_record_becomes_the_older_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "LIMIT", 1000)
    for number in range(10):
        history.append(tmp_path, [entry(str(number))])
    assert recorded(tmp_path)[-1] == "9"
    assert all(file.stat().st_size < 2000 for file in tmp_path.glob("*.jsonl"))
    assert (tmp_path / history.OLDER).exists()


def test_many_writers_lose_no_line(tmp_path: Path) -> None:
    def write(name: int) -> None:
        for _ in range(50):
            history.append(tmp_path, [entry(str(name))])

    writers = [threading.Thread(target=write, args=(name,)) for name in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    lines = (tmp_path / history.NAME).read_bytes().splitlines()
    assert len([json.loads(line) for line in lines]) == 400
