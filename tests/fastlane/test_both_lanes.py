"""The fast lane and the full command line, held against each other: the same agent, the same bytes.

The full command line is reached by an option that the fast lane leaves to it and that changes nothing here.
The fast lane runs in a package whose full command line only says that it was reached, so a miss is no answer.
"""

import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from shellvault import locations
from tests.fastlane.conftest import FULL, Lane
from tests.support.emulator import Aws
from tests.support.home import Home, make_home
from tests.support.installation import Installation

pytestmark = pytest.mark.real

TO_THE_FULL_COMMAND_LINE = ("--prompt", "terminal")
FULL_LANE = (sys.executable, "-I", "-S", str(locations.DOOR))
POLICY = """\
{
    "Version": "2012-10-17",
    "Statement": [
        {"Sid": "Two  blanks and \\u00e9", "Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    ]
}
"""
ODD_NAME = "näme with spaces"


@pytest.fixture(scope="module")
def home(aws: Aws, installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home with keys, a role, and an agent, for all tests of this file."""
    with tempfile.TemporaryDirectory(prefix="sv-") as runtime:
        home = make_home(tmp_path_factory.mktemp("lanes"), Path(runtime), installation.programs)
        del home.environment["SHELLVAULT_NO_AGENT"]
        # A worker may come to this file again after another, and then makes the home anew.
        user = f"lanes-{secrets.token_hex(4)}"
        keys = aws.user(user)
        role = aws.role(f"{user}-role", trusts=f"user/{user}")
        assumed = f"source_profile = work\nrole_arn = {role}\n"
        home.write_config(
            f"[default]\nregion = eu-central-1\nendpoint_url = {aws.endpoint}\n[profile work]\n"
            f'[profile "{ODD_NAME}"]\n{assumed}[profile role]\n{assumed}'
        )
        other = home.config_file.read_text().replace("eu-central-1", "eu-west-3")
        (home.path / "other config").write_text(other)
        exported = {"AWS_ACCESS_KEY_ID": keys.access_key_id, "AWS_SECRET_ACCESS_KEY": keys.secret_access_key}
        added = subprocess.run(
            ["shellvault", "add", "--env", "--no-check", "work"],
            env=home.environment | exported,
            capture_output=True,
            text=True,
        )
        assert added.returncode == 0, added.stderr
        yield home
        home.shellvault("agent", "stop")


def fast_lane(lane: Lane) -> list[str]:
    return [sys.executable, "-I", "-S", str(lane.script)]


def outcome(home: Home, command: list[str], environment: dict[str, str]) -> tuple[int, bytes, bytes]:
    done = subprocess.run(
        command,
        env=home.environment | environment,
        cwd=home.path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    return done.returncode, done.stdout, done.stderr


def both(home: Home, lane: Lane, arguments: list[str], environment: dict[str, str]) -> None:
    """Runs the full command line, then the fast lane, and expects the same."""
    full = outcome(home, [*FULL_LANE, arguments[0], *TO_THE_FULL_COMMAND_LINE, *arguments[1:]], environment)
    fast = outcome(home, [*fast_lane(lane), *arguments], environment)

    assert full[0] == 0, full[2]
    assert fast == full


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--region", "us-west-2"],
        ["--region=us-west-2", "-d", "20m"],
        ["--duration", "30m", "--backend", "file"],
        ["--min-remaining=10m"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("name", ["work", "role", ODD_NAME])
def test_options(home: Home, lane: Lane, name: str, options: list[str]) -> None:
    both(home, lane, ["export", name, *options, "--format", "json"], {})
    both(home, lane, ["exec", *options, name, "--", "env", "-0"], {})


@pytest.mark.parametrize(
    "options",
    [
        ["--read-only"],
        ["--policy", "less.json"],
        ["--policy=~/less.json", "--policy-arn", "arn:aws:iam::aws:policy/IAMReadOnlyAccess"],
        ["--policy-arn=arn:aws:iam::aws:policy/IAMReadOnlyAccess"],
    ],
    ids=" ".join,
)
def test_narrowed_sessions(home: Home, lane: Lane, options: list[str]) -> None:
    (home.path / "less.json").write_text(POLICY)
    options = [option.replace("~", str(home.path)) for option in options]
    both(home, lane, ["exec", *options, "role", "--", "env", "-0"], {})
    both(home, lane, ["env", "--no-hook", "role", *options, "--shell", "bash"], {})


def test_neither_lane_gives_a_session_of_another_policy(home: Home, lane: Lane) -> None:
    arguments = ["exec", "--policy", "less.json", "role", "--", "printenv", "AWS_ACCESS_KEY_ID"]
    keys = []
    for action in ("s3:Get*", "s3:List*", "s3:Get*"):
        (home.path / "less.json").write_text(POLICY.replace("s3:*", action))
        both(home, lane, arguments, {})
        keys.append(outcome(home, [*fast_lane(lane), *arguments], {})[1])
    assert keys[0] == keys[2] != keys[1]
    assert outcome(home, [*fast_lane(lane), "exec", "role", *arguments[-3:]], {})[1] not in keys


@pytest.mark.parametrize("shell", ["bash", "fish", "powershell", "zsh"])
@pytest.mark.parametrize("name", ["work", ODD_NAME])
def test_shells(home: Home, lane: Lane, name: str, shell: str) -> None:
    both(home, lane, ["env", name, "--no-hook", "--shell", shell], {})


@pytest.mark.parametrize("shell", ["bash", "fish", "powershell", "zsh"])
def test_the_hook_that_env_brings_along(home: Home, shell: str) -> None:
    full = outcome(home, [*FULL_LANE, "env", *TO_THE_FULL_COMMAND_LINE, "work", "--shell", shell], {})
    fast = outcome(home, [*FULL_LANE, "env", "work", "--shell", shell], {})

    assert full[0] == 0, full[2]
    assert b"__shellvault_hook" in full[1]
    assert fast == full


@pytest.mark.parametrize(
    "environment",
    [
        {"AWS_REGION": "ap-south-1"},
        {"AWS_REGION": "x", "SHELLVAULT_REGION": "x", "AWS_VAULT": "role", "AWS_SESSION_TOKEN": "old"},
        {"AWS_CONFIG_FILE": "other config"},
        {"AWS_CONFIG_FILE": "~/other config"},
        {"AWS_VAULT_DURATION": "2h", "SHELLVAULT_DURATION": "35m", "AWS_VAULT_PROFILE_ENV": ""},
        {"AWS_VAULT_DURATION": "25m", "AWS_ROLE_SESSION_NAME": "me@home"},
        {"AWS_PROFILE": "role", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "x"},
        {"LC_ALL": "C", "LANG": ""},
        {"SHELLVAULT_NO_AGENT": "0", "AWS_MIN_TTL": "7m"},
        {"ODD": "a\nb'\"$(x)\udcff"},
    ],
    ids=str,
)
def test_environments(home: Home, lane: Lane, environment: dict[str, str]) -> None:
    both(home, lane, ["env", "--no-hook", "work", "--shell", "zsh"], environment)
    both(home, lane, ["exec", "role", "--", "env", "-0"], environment)


def test_the_profile_of_the_environment(home: Home, lane: Lane) -> None:
    both(home, lane, ["export", "--format=json"], {"AWS_PROFILE": "role"})
    both(home, lane, ["exec", "--", "env", "-0"], {"AWS_DEFAULT_PROFILE": "work"})


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_shell_that_asks(home: Home, lane: Lane, shell: str) -> None:
    lanes = (
        [*FULL_LANE, "env", *TO_THE_FULL_COMMAND_LINE, "--no-hook", "work"],
        [*fast_lane(lane), "env", "--no-hook", "work"],
    )
    full, fast = (outcome(home, [shell, "-c", '"$@"; exit $?', shell, *command], {}) for command in lanes)

    assert full[0] == 0, full[2]
    # Each zsh gets a secret of its own, by which it knows the agent.
    secret = re.compile(rb"__shellvault_secret=\S+")
    assert (fast[0], secret.sub(b"", fast[1]), fast[2]) == (full[0], secret.sub(b"", full[1]), full[2])
    assert bool(secret.search(fast[1])) is (shell == "zsh")


def test_programs_that_cannot_run(home: Home, lane: Lane) -> None:
    """Here the fast lane leaves the answer to the full command line, which is asked in the same process."""
    (home.path / "plain").touch()
    for command, status in (("no-such-program", 127), ("./plain", 126)):
        arguments = ["exec", "work", "--", command]
        fast = outcome(home, [*fast_lane(lane), *arguments], {})
        real = outcome(home, [*FULL_LANE, *arguments], {})

        assert fast[0] == FULL
        assert real[0] == status
        assert real[1] == b""


def test_a_changed_config_file_is_seen_by_both(home: Home, lane: Lane) -> None:
    both(home, lane, ["export", "role", "--format", "json"], {})
    text = home.config_file.read_text()
    home.config_file.write_text(text.replace("[profile role]", "[profile role]\nregion = sa-east-1"))

    both(home, lane, ["exec", "role", "--", "env", "-0"], {})
    assert b"AWS_REGION=sa-east-1" in outcome(home, ["shellvault", "exec", "role", "--", "env"], {})[1]
    home.config_file.write_text(text)
