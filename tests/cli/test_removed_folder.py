"""A command in a folder that has been removed does what it does in an empty one; none is an internal error."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click

import shellvault
from shellvault.cli import main
from tests.support.home import Home

PACKAGE = Path(shellvault.__file__).parent
#: The files that may ask for the current folder: of the full command line, and of the fast lane.
MAY_ASK = {"here.py", "fastlane/commands.py"}
ASKS = {"cwd", "getcwd", "getcwdb", "abspath", "absolute"}

CONFIG = "[default]\nregion = eu-central-1\n[profile work]\nmfa_serial = arn:aws:iam::123456789012:mfa/me\n"

#: Arguments by which a command does something without a network.
MORE = {
    "doctor": ["--offline"],
    "init": ["bash"],
    "exec": ["work", "--", "true"],
    "env": ["--shell", "bash", "work"],
}

#: Runs each command line of argv[1] in a process of its own, in the current folder; prints status and stderr of each.
RUNNER = """
import json, os, re, signal, sys, tempfile
from shellvault.cli import main
found = []
for line in json.loads(sys.argv[1]):
    with tempfile.TemporaryFile(dir="/") as said:
        child = os.fork()
        if not child:
            signal.alarm(3 if line == ["agent", "run"] else 60)
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            os._exit(main.run(line))
        status = os.waitpid(child, 0)[1]
        said.seek(0)
        found.append([os.waitstatus_to_exitcode(status), re.sub(r"[0-9]{3,}", "N", said.read().decode())])
print(json.dumps(found))
"""


class Outcome(NamedTuple):
    """What became of a command line."""

    status: int
    said: str


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[list[str]]:
    """A command line for each command of the tree."""
    context = click.Context(command)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from leaves(found, (*path, name))
    else:
        arguments = [each for each in command.params if isinstance(each, click.Argument)]
        yield [*path, *MORE.get(path[0], ["work"] * len(arguments))]


LINES = [
    *leaves(main.command),
    ["wrap", "true"],
    ["list", "--backends"],
    ["console"],
    ["init", "bash", "--install"],
]


def outcomes(folder: Path, home: Path, *, removed: bool, **more: str) -> list[Outcome]:
    """What LINES do in `folder`, which may be removed under them."""
    folder.mkdir()
    environment = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "SHELLVAULT_BACKEND": "file",
        "SHELLVAULT_FILE_PASSPHRASE": "one",
        "SHELLVAULT_NO_AGENT": "1",
        "TERM": "dumb",
    }
    gone = f'cd {folder}; {f"rmdir {folder};" if removed else ""} exec "$@"'
    done = subprocess.run(
        ["bash", "-c", gone, "-", sys.executable, "-P", "-c", RUNNER, json.dumps(LINES)],
        env=environment | more,
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        start_new_session=True,
    )
    assert done.returncode == 0, done.stderr
    return [Outcome(*each) for each in json.loads(done.stdout)]


def home_in(folder: Path) -> Path:
    (folder / ".aws").mkdir(parents=True)
    (folder / ".aws" / "config").write_text(CONFIG)
    return folder


def test_every_command_does_what_it_does_in_an_empty_folder(tmp_path: Path) -> None:
    there = outcomes(tmp_path / "empty", home_in(tmp_path / "home"), removed=False)
    (tmp_path / "home").rename(tmp_path / "before")
    gone = outcomes(tmp_path / "gone", home_in(tmp_path / "home"), removed=True)
    assert len(there) > 35
    for line, one, other in zip(LINES, there, gone, strict=True):
        assert "internal error" not in other.said, (line, other)
        assert one == other, line


def test_a_relative_config_file_is_said_to_lead_nowhere(tmp_path: Path) -> None:
    found = outcomes(tmp_path / "gone", home_in(tmp_path / "home"), removed=True, AWS_CONFIG_FILE="config")
    by_name = {" ".join(line): outcome for line, outcome in zip(LINES, found, strict=True)}
    for line, outcome in by_name.items():
        assert "internal error" not in outcome.said, (line, outcome)
    for line in ("list", "why work", "env --shell bash work", "doctor --offline", "exec work -- true"):
        assert by_name[line].status == 2
        assert "the current folder has been removed" in by_name[line].said
    assert by_name["init bash"].status == by_name["version"].status == by_name["wrap true"].status == 0


def test_the_installed_command_and_its_fast_lane_work_there(home: Home) -> None:
    home.write_config("[profile work]\ncredential_process = echo none\n")
    script = "mkdir gone; cd gone; rmdir ../gone; for c in 'list' 'env --leave' 'init bash' 'wrap true'; do "
    done = home.run("bash", "-c", f"{script} shellvault $c >/dev/null; echo $? $c; done")
    assert done.stdout.splitlines() == ["0 list", "0 env --leave", "0 init bash", "0 wrap true"], done.stderr


def test_the_current_folder_is_asked_for_in_one_place() -> None:
    asking = set()
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            name = (
                node.attr
                if isinstance(node, ast.Attribute)
                else node.name
                if isinstance(node, ast.alias)
                else ""
            )
            ours = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
            if name in ASKS and not (ours and node.value.id in ("here", "request")):  # type: ignore[attr-defined]
                asking.add(file.relative_to(PACKAGE).as_posix())
    assert asking == MAY_ASK
