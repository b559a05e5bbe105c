"""A person answers a coding agent's question in a dialog on the person's own display."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.end_to_end.conftest import Person
from tests.end_to_end.test_callers import AGENT, FULL, READ_ONLY, by_the_agent, got, question, start
from tests.end_to_end.test_callers import admin as admin
from tests.end_to_end.test_narrowing import TRY
from tests.support.clients import need
from tests.support.terminal import Terminal, terminal

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]

#: A dialog program that notes how it was started, and gives the answer in a file of the home, if there is one.
STAND_IN = """#!/bin/sh
{ echo "$$"; env; printf '%s\\n' "$@"; } >"$HOME/dialog.new"; mv "$HOME/dialog.new" "$HOME/dialog"
[ -e "$HOME/answer" ] || exec sleep 60
cat "$HOME/answer"
"""


@pytest.fixture
def programs(admin: Person, tmp_path: Path) -> str:
    """A PATH that begins with a dialog program of the test."""
    (admin.home.path / "try.py").write_text(TRY)
    folder = tmp_path / "dialogs"
    folder.mkdir()
    (folder / "zenity").write_text(STAND_IN)
    (folder / "zenity").chmod(0o755)
    return f"{folder}:{admin.home.environment['PATH']}"


@pytest.fixture
def one(admin: Person, programs: str) -> Iterator[Terminal]:
    """A terminal on a desktop, in which a person sits."""
    with at_desktop(admin, programs) as opened:
        yield opened


@contextmanager
def at_desktop(person: Person, path: str, display: str = ":77") -> Iterator[Terminal]:
    """A terminal of a person with this display and PATH, which the agent has seen."""
    home = replace(person.home, environment={**person.home.environment, "PATH": path, "DISPLAY": display})
    with terminal(home, "bash") as shell:
        shell.run("shellvault requests")
        yield shell


def shown(person: Person) -> list[str]:
    """The lines that the stand-in has noted: its number, environment, arguments."""
    file, deadline = person.home.path / "dialog", time.monotonic() + 30
    while time.monotonic() < deadline and not file.exists():
        time.sleep(0.05)
    return file.read_text().splitlines()


@by_the_agent
def test_each_answer_does_what_it_says(admin: Person, one: Terminal) -> None:
    expected = {
        "no": "a person has refused it",
        "once": FULL,
        "15m": FULL,
        "run": FULL,
        "read-only": READ_ONLY,
        "never": "a person has refused it",
    }
    for word, result in expected.items():
        (admin.home.path / "answer").write_text(f"{word}\n")
        assert result in got(start(admin, "exec", word, **AGENT)), word
    (admin.home.path / "answer").write_text("15m\n")
    assert "was refused for as long as the agent runs" in got(start(admin, "exec", "after", **AGENT))
    lines = shown(admin)
    assert "DISPLAY=:77" in lines
    assert not any(line.startswith(("SHELLVAULT_", "AWS_", "CLAUDECODE")) for line in lines)
    assert any("claude-code wants admin (account " in line for line in lines)


@by_the_agent
def test_the_first_answer_wins_and_closes_the_dialog(admin: Person, one: Terminal) -> None:
    waiting = start(admin, "exec", "elsewhere", **AGENT)
    dialog = int(shown(admin)[0])
    assert psutil.pid_exists(dialog)
    one.run(f"shellvault approve {question(admin)}")
    assert got(waiting) == FULL
    one.wait_until(lambda: not psutil.pid_exists(dialog), "end of the dialog")


@by_the_agent
def test_a_dialog_that_is_closed_leaves_the_question_open(admin: Person, one: Terminal) -> None:
    (admin.home.path / "answer").write_text("")
    waiting = start(admin, "exec", "closed", **AGENT)
    shown(admin)
    number = question(admin)
    one.run(f"shellvault deny {number}")
    assert "a person has refused it" in got(waiting)


@by_the_agent
@pytest.mark.parametrize("why", ["display of what asks", "setting"])
def test_no_dialog_is_shown(admin: Person, programs: str, why: str) -> None:
    (admin.home.path / "answer").write_text("run\n")
    marks = {**AGENT, "DISPLAY": ":77", "PATH": programs}
    if why == "setting":
        admin.home.write_settings("dialogs = false\n")
    with at_desktop(admin, programs, ":77" if why == "setting" else "") as one:
        # The first one starts the agent, and the second asks when it has seen a person; but settings are a person's.
        admin.home.succeed("agent", "stop")
        if why == "setting":
            one.run("shellvault exec work -- true")
        for name in ("first", "second"):
            waiting = start(admin, "exec", name, **marks)
            one.run(f"shellvault deny {question(admin)}")
            assert "a person has refused it" in got(waiting)
    assert not (admin.home.path / "dialog").exists()


@by_the_agent
def test_a_real_dialog_is_answered_with_the_keyboard(admin: Person, tmp_path: Path) -> None:
    need("zenity"), need("xdotool")
    (admin.home.path / "try.py").write_text(TRY)
    read, write = os.pipe()
    server = subprocess.Popen(
        [need("Xvfb"), "-displayfd", str(write), "-screen", "0", "800x600x24", "-nolisten", "tcp"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    try:
        display = f":{os.read(read, 16).decode().strip()}"
        with at_desktop(admin, admin.home.environment["PATH"], display) as one:
            one.type("CLAUDECODE=1 shellvault exec admin -- python3 -c 'print(6*7)'; echo over")
            keys = {"env": {**os.environ, "DISPLAY": display}, "check": True, "timeout": 20}
            search = ["xdotool", "search", "--sync", "--onlyvisible", "--name", "^shellvault$"]
            window = subprocess.check_output(search, env=keys["env"], timeout=20, text=True).split()[-1]
            # A key that was meant for another window allows nothing.
            for words in (["windowfocus", window], ["key", "Return"]):
                subprocess.run(["xdotool", *words], **keys)
            assert json.loads(admin.home.succeed("requests", "--json"))
            subprocess.run(["xdotool", "key", "--delay", "100", "Home", "Down", "Down", "Return"], **keys)
            one.wait_for("42")
            one.wait_for("over")
    finally:
        server.kill()
        server.wait(10)
        os.close(read)
        os.close(write)
