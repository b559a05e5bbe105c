"""The command itself: what it loads, what it says, and that it never falls apart in front of a person."""

import os
import sys
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Person, settle
from tests.support.emulator import Aws
from tests.support.home import Home, make_home, stop_agents
from tests.support.installation import Installation
from tests.support.sts_front import StsFront

HEAVY = ("boto3", "botocore", "cryptography", "jinja2", "keyring", "psutil", "rich")


@pytest.mark.parametrize("command", [["--version"], ["--help"], ["exec", "--help"]])
def test_nothing_heavy_is_loaded_where_it_is_not_used(home: Home, command: list[str]) -> None:
    program = (
        "import sys\n"
        "from shellvault.__main__ import main\n"
        "try:\n    main()\n"
        "finally:\n    print('loaded:', *sorted(set(sys.argv.pop().split(',')) & set(sys.modules)))\n"
    )
    result = home.run(sys.executable, "-c", program, *command, ",".join(HEAVY))
    assert result.stdout.splitlines()[-1] == "loaded:", result.stderr


def test_the_version_is_the_package_s(home: Home) -> None:
    import shellvault

    assert shellvault.__version__ in home.succeed("--version")
    assert home.run(sys.executable, "-m", "shellvault", "--version").stdout == home.succeed("--version")


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["env", "--frobnicate"],
        ["env", "work", "extra"],
        ["exec"],
        ["export", "work", "--format", "xml"],
        ["add"],
        ["export"],
    ],
)
def test_a_wrong_command_line_is_one_line_and_status_2(home: Home, arguments: list[str]) -> None:
    home.fail(*arguments, status=2)


@pytest.mark.parametrize(
    "config",
    [
        "[profile work",
        "[profile work]\nregion\n",
        "[profile work]\ninclude_profile = other\n[profile other]\ninclude_profile = work\n",
        "[profile work]\nduration_seconds = soon\nrole_arn = arn:aws:iam::000000000000:role/a\n",
        "\x00\x1b[31m",
    ],
)
def test_a_broken_config_file_is_one_line(home: Home, config: str) -> None:
    home.write_config(config)
    assert "\x1b" not in home.fail("exec", "work", "--", "true")


def test_a_config_file_in_another_encoding_is_one_line(home: Home) -> None:
    home.write_config("")
    home.config_file.write_bytes(b"[profile work]\nregion = \xff\xfe\n")
    home.fail("exec", "work", "--", "true")


def test_an_unknown_name_is_one_line_without_escapes(home: Home) -> None:
    home.write_config("[profile work]\nregion = eu-west-1\n")
    message = home.fail("exec", "no\x1b[31m\nbody", "--", "true")
    assert "body" in message


def test_a_full_disk_is_one_line(person: Person) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    result = person.home.run("sh", "-c", "shellvault list >/dev/full")
    assert result.returncode == 1
    assert result.stderr.startswith("shellvault: error: ")
    assert result.stderr.count("\n") == 1


def test_a_reader_that_leaves_is_no_error(person: Person) -> None:
    assert person.home.run("bash", "-c", "shellvault list --json | true").stderr == ""


def test_no_person_is_asked_without_a_terminal(person: Person) -> None:
    person.home.succeed("agent", "lock")
    del person.home.environment["SHELLVAULT_FILE_PASSPHRASE"]
    person.home.succeed("agent", "lock")
    assert "SHELLVAULT_FILE_PASSPHRASE" in person.home.fail("exec", "work", "--", "true")


def test_a_wrong_passphrase_is_one_line_and_loses_nothing(person: Person) -> None:
    person.home.succeed("agent", "lock")
    right = person.home.environment["SHELLVAULT_FILE_PASSPHRASE"]
    person.home.environment["SHELLVAULT_FILE_PASSPHRASE"] = "wrong"
    person.home.succeed("agent", "lock")
    person.home.fail("exec", "work", "--", "true")
    person.home.environment["SHELLVAULT_FILE_PASSPHRASE"] = right
    person.home.succeed("exec", "work", "--", "true")


def test_debug_masks_secrets(person: Person) -> None:
    result = person.home.shellvault("exec", "work", "--debug", "--", "printenv", "AWS_SECRET_ACCESS_KEY")
    secret = result.stdout.strip()
    assert result.stderr
    assert secret not in result.stderr
    assert person.keys.secret_access_key not in result.stderr


def test_only_the_owner_can_read_what_is_written(person: Person) -> None:
    person.home.succeed("exec", "guarded", "--", "true")
    readable = [
        path
        for folder, _, names in os.walk(person.home.path)
        for path in (Path(folder, name) for name in names)
        if path != person.home.config_file and path.stat().st_mode & 0o077
    ]
    assert readable == []


def test_no_secret_is_in_any_file(person: Person) -> None:
    session = person.home.succeed("exec", "guarded", "--", "printenv", "AWS_SECRET_ACCESS_KEY").strip()
    for folder, _, names in os.walk(person.home.path):
        for name in names:
            content = Path(folder, name).read_bytes()
            assert person.keys.secret_access_key.encode() not in content
            assert session.encode() not in content


def test_remove_forgets_the_keys_and_their_sessions(person: Person) -> None:
    person.home.succeed("exec", "guarded", "--", "true")
    person.home.succeed("remove", "--force", "guarded")
    assert "guarded" not in person.home.succeed("list", "--credentials")
    assert person.home.succeed("list", "--sessions") == ""
    person.home.fail("exec", "guarded", "--", "true")


def test_clear_forgets_sessions_and_keeps_keys(person: Person) -> None:
    person.home.succeed("exec", "guarded", "--", "true")
    assert person.home.succeed("list", "--sessions") == "guarded\n"
    person.home.succeed("clear", "guarded")
    assert person.home.succeed("list", "--sessions") == ""
    person.home.succeed("exec", "guarded", "--", "true")
    assert person.front.calls == ["GetSessionToken", "GetSessionToken"]


def test_a_home_too_deep_for_a_socket_is_served_all_the_same(
    tmp_path: Path, aws: Aws, front: StsFront, installation: Installation
) -> None:
    # unix(7): the path of a socket holds 108 bytes, on macOS 104.
    folder = tmp_path / ("deep" * 30)
    runtime = folder / "runtime"
    runtime.mkdir(parents=True)
    home = make_home(folder, runtime, installation.programs)
    del home.environment["SHELLVAULT_NO_AGENT"], home.environment["XDG_RUNTIME_DIR"]
    try:
        settle(home, aws, front)
        result = home.shellvault("exec", "work", "--", "printenv", "AWS_VAULT")
        assert (result.stdout, result.returncode) == ("work\n", 0)
        assert result.stderr.count("\n") <= 1
    finally:
        stop_agents(folder)
