"""A wrapped program where there is no session to give: one line says why, and the program runs as it was started."""

import os
from pathlib import Path

import pytest

from tests.support.home import Home

CONFIG = """
[profile role]
role_arn = arn:aws:iam::111122223333:role/x
source_profile = keyless
[profile keyless]
region = eu-west-1
"""
SESSION = {
    "AWS_ACCESS_KEY_ID": "ASIAOTHER",
    "AWS_SESSION_TOKEN": "t",
    "AWS_VAULT": "other",
    "SHELLVAULT_REQUEST": "other x=y",
}


@pytest.fixture
def programs(home: Home) -> Path:
    """A folder on PATH with a program that shows what it was given, and ends with 7."""
    home.write_config(CONFIG)
    folder = home.path / "programs"
    folder.mkdir()
    for name in ("aws", "terraform"):
        (folder / name).write_text('#!/bin/sh\necho "$@"; echo "$AWS_PROFILE:$AWS_ACCESS_KEY_ID"; exit 7\n')
        (folder / name).chmod(0o755)
    home.environment["PATH"] = f"{folder}:{home.environment['PATH']}"
    return folder


def test_it_runs_as_it_was_started_after_one_line(home: Home, programs: Path) -> None:
    done = home.shellvault("wrap", "aws", "--profile", "role", "s3", "--", "x")
    assert (done.returncode, done.stdout) == (7, "--profile role s3 -- x\n:\n")
    assert done.stderr.startswith("shellvault: aws runs without a session of ours: profile keyless ")
    assert done.stderr.count("\n") == 1


def test_it_does_not_get_the_session_of_another_profile_instead(home: Home, programs: Path) -> None:
    done = home.run("shellvault", "wrap", "terraform", "plan", AWS_PROFILE="role", **SESSION)
    assert (done.returncode, done.stdout) == (7, "plan\nrole:\n")
    assert done.stderr.count("\n") == 1


def test_what_is_not_ours_to_serve_runs_without_a_word(home: Home, programs: Path) -> None:
    done = home.run("shellvault", "wrap", "terraform", "plan", AWS_PROFILE="nobody", **SESSION)
    assert (done.returncode, done.stdout, done.stderr) == (7, "plan\nnobody:ASIAOTHER\n", "")


def test_a_program_that_is_only_a_shim_ends_with_one_line(home: Home, programs: Path) -> None:
    home.succeed("shim", "add", "absent")
    shims = Path(home.environment["XDG_STATE_HOME"]) / "shellvault/shims"
    for path in (f"{shims}:{os.environ['PATH']}", os.environ["PATH"]):
        done = home.run(
            str(shims / "absent"), AWS_PROFILE="role", PATH=f"{home.environment['PATH'].split(':')[1]}:{path}"
        )
        assert done.returncode == 127
        assert done.stderr == (
            "shellvault: error: absent: not found on PATH (shims of ours aside): install the program itself\n"
        )


def test_a_config_file_without_an_end_does_not_hold_it_up(home: Home, programs: Path) -> None:
    done = home.run("shellvault", "wrap", "aws", "s3", AWS_PROFILE="role", AWS_CONFIG_FILE="/dev/zero")
    assert (done.returncode, done.stdout) == (7, "s3\nrole:\n")
