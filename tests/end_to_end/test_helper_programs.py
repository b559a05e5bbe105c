"""The user's own programs that a session needs: run by the command that asks, with an agent and without."""

import json
import re
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Person
from tests.support.home import PASSPHRASE
from tests.support.terminal import terminal

pytestmark = pytest.mark.real

#: Prints the keys that it has been given, and leaves a line with its folder and what it sees of a session.
HELPER = """\
#!/bin/sh
echo "$PWD vault=$AWS_VAULT key=$AWS_ACCESS_KEY_ID region=$AWS_REGION request=$SHELLVAULT_REQUEST" >> {home}/ran
{more}
echo '{keys}'
"""


def helper(person: Person, path: Path, more: str = "") -> None:
    """Writes a credential_process for the person's keys."""
    keys = {
        "Version": 1,
        "AccessKeyId": person.keys.access_key_id,
        "SecretAccessKey": person.keys.secret_access_key,
        "SessionToken": "",
    }
    path.write_text(HELPER.format(home=person.home.path, keys=json.dumps(keys), more=more))
    path.chmod(0o755)


def ran(person: Person) -> list[str]:
    path = person.home.path / "ran"
    return path.read_text().splitlines() if path.exists() else []


def test_a_relative_program_is_in_the_commands_folder(person: Person) -> None:
    for name in ("a", "b"):
        folder = person.home.path / name
        folder.mkdir()
        helper(person, folder / "helper")
    person.configure("[profile helped]\ncredential_process = ./helper")
    for name in ("a", "b"):
        script = f"cd {name} && shellvault exec helped -- printenv AWS_ACCESS_KEY_ID"
        assert person.home.run("sh", "-c", script).stdout == f"{person.keys.access_key_id}\n"
    assert [line.split()[0] for line in ran(person)] == [str(person.home.path / name) for name in ("a", "b")]


def test_a_helper_program_does_not_see_the_session_around_it(person: Person) -> None:
    helper(person, person.home.path / "helper")
    person.configure("[profile helped]\ncredential_process = ~/helper\nregion = us-west-2")
    # The passphrase does not go into the session.
    inner = f"SHELLVAULT_FILE_PASSPHRASE='{PASSPHRASE}' shellvault exec helped -- true"
    person.home.succeed("exec", "work", "--", "sh", "-c", inner)
    assert ran(person) == [f"{person.home.path} vault= key= region=us-west-2 request="]


def test_a_program_may_ask_on_the_terminal(person: Person) -> None:
    helper(
        person,
        person.home.path / "helper",
        "printf 'PIN: ' >/dev/tty; read pin </dev/tty; [ $pin = 42 ] || exit 3",
    )
    person.configure("[profile helped]\ncredential_process = ~/helper")
    with terminal(person.home, "bash") as shell:
        shell.type("shellvault exec helped -- printenv AWS_VAULT")
        shell.wait_for("PIN: ")
        shell.type("42")
        assert "helped" in shell.finish()


@pytest.mark.parametrize("setting", ["credential_process", "mfa_process"])
def test_a_program_that_fails_runs_once_and_is_reported_once(person: Person, setting: str) -> None:
    command = f"sh -c 'echo x >> {person.home.path}/ran; echo no card >&2; exit 1'"
    more = f"source_profile = work\nmfa_serial = {person.arn}" if setting == "mfa_process" else ""
    person.configure(f"[profile helped]\n{setting} = {command}\n{more}")
    message = person.home.fail("exec", "helped", "--", "true")
    assert f"{setting} of profile {'work' if more else 'helped'} failed with status 1" in message
    assert message.count("no card") == 1
    assert ran(person) == ["x"]


def test_relative_and_home_paths_are_those_of_the_command(person: Person) -> None:
    person.configure(
        f"[profile web]\nrole_arn = {person.role('web')}\nweb_identity_token_file = token\n"
        f"[profile home]\nrole_arn = {person.role('home')}\nweb_identity_token_file = ~/none\n"
        f"[profile trusting]\nca_bundle = bundle.pem\nsource_profile = work\nrole_arn = {person.role('ca')}"
    )
    folder = person.home.path / "there"
    folder.mkdir()
    (folder / "token").write_text("short")
    (folder / "bundle.pem").write_text("")

    def error(profile: str, where: str) -> str:
        return person.home.run("sh", "-c", f"cd {where} && shellvault exec {profile} -- true").stderr

    assert f"cannot read {person.home.path}/token" in error("web", ".")
    assert "cannot read" not in error("web", "there")
    assert f"cannot read {person.home.path}/none" in error("home", "there")
    assert f"there is no CA bundle {person.home.path}/bundle.pem" in error("trusting", ".")
    assert "there is no CA bundle" not in error("trusting", "there")
    person.home.environment["AWS_CA_BUNDLE"] = "other.pem"
    assert re.search(f"there is no CA bundle {person.home.path}/there/other.pem", error("work", "there"))
