"""Which session a wrapped program is given, as `wrap` decides it: by command line, environment and AWS files."""

import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from shellvault.fastlane import sections, wrapping
from shellvault.fastlane.request import encode
from shellvault.fastlane.wrapping import Choice, choose, given

CONFIG = """\
[default]
region = eu-central-1
[profile role]
role_arn = arn:aws:iam::111122223333:role/x
source_profile = stored
[profile stored]
region = eu-west-1
[profile "a b"]
mfa_serial = arn:aws:iam::111122223333:mfa/me
[profile sso] ; note
sso_session = s
region = eu-north-1
[ profile 'included' ]
include_profile = base
[profile meant]
role_arn = arn:aws:iam::111122223333:role/x
source_profile = plain
[profile circle]
source_profile = circle-2
[profile circle-2]
source_profile = circle
[profile plain]
region = eu-west-1
[profile legacy]
[profile legacy-role]
role_arn = arn:aws:iam::111122223333:role/x
source_profile = legacy
[profile inline]
aws_access_key_id = AKIAINLINE
[profile imds]
role_arn = arn:aws:iam::111122223333:role/x
credential_source = Ec2InstanceMetadata
[profile signed-in]
login_session = arn:aws:iam::111122223333:user/me
[profile lost]
role_arn = arn:aws:iam::111122223333:role/x
source_profile = nobody
[sso-session s]
"""
CREDENTIALS = "[legacy]\naws_access_key_id = AKIALEGACY\n[stored]\naws_access_key_id = AKIAOLD\n"
ALIASES = """\
[toplevel]
whoami = sts get-caller-identity
me = whoami --output text
setup = configure set region
outside = !aws configure set region x
other = s3 ls --profile plain
block =
    s3
"""


@dataclass
class Place:
    """A home with AWS files, and what is chosen there."""

    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def choose(
        self, *program: str, script: bytes = b"", default: str = "", **variables: str
    ) -> Choice | None:
        """The choice for a command line."""
        return choose([*program], script, default, self.environment | variables, str(self.home))

    def session(self, *program: str, **variables: str) -> tuple[str, list[str]] | None:
        """The profile and the command line that are chosen; None for a program that runs untouched."""
        choice = self.choose(*program, **variables)
        return choice and (choice.profile, choice.program)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A home whose vault has the keys of `stored` and `only-stored`."""
    for path, text in (
        (".aws/config", CONFIG),
        (".aws/credentials", CREDENTIALS),
        (".aws/cli/alias", ALIASES),
        ("state/shellvault/names", "stored\nonly-stored\n"),
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return Place(tmp_path, {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")})


LIVE = {
    "AWS_VAULT": "role",
    "AWS_ACCESS_KEY_ID": "ASIAROLE",
    "AWS_REGION": "eu-west-1",
    "AWS_DEFAULT_REGION": "eu-west-2",
    "SHELLVAULT_REGION": "eu-west-1",
    "SHELLVAULT_REQUEST": "role x=y",
    "SHELLVAULT_EXPIRES_AT": str(int(time.time()) + 900),
}


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("stored", (True, True)),
        ("only-stored", (True, False)),
        ("role", (True, True)),
        ("a b", (True, True)),
        ("sso", (True, True)),
        ("included", (True, True)),
        ("meant", (True, True)),
        ("circle", (True, True)),
        ("default", (False, True)),
        ("plain", (False, True)),
        ("legacy", (False, True)),
        ("legacy-role", (False, True)),
        ("inline", (False, True)),
        ("imds", (False, True)),
        ("signed-in", (True, True)),
        ("lost", (False, True)),
        ("nobody", (False, False)),
    ],
)
def test_a_profile_is_served_unless_its_keys_are_the_programs(
    place: Place, name: str, answer: tuple[bool, bool]
) -> None:
    assert sections.serves(name, place.environment, str(place.home)) == answer


def test_other_places_of_the_files_count(place: Place) -> None:
    (place.home / "elsewhere").write_text("\ufeff[profile there]\r\nmfa_serial: x\r\n", newline="")
    for variables in (
        {"AWS_CONFIG_FILE": "elsewhere"},
        {"AWS_CONFIG_FILE": "~/elsewhere"},
        {"AWS_CONFIG_FILE": str(place.home / "elsewhere")},
    ):
        assert place.session("aws", "s3", "--profile", "there", **variables) == ("there", ["aws", "s3"])
    moved = {"AWS_SHARED_CREDENTIALS_FILE": "~/nothing"}
    assert place.session("aws", "s3", "--profile", "legacy-role", **moved) == ("legacy-role", ["aws", "s3"])


#: A command line of the AWS CLI, and the arguments that it runs with; None: untouched.
OPTIONS = (
    ("s3 ls --profile role x", "s3 ls x"),
    ("s3 ls --profile=role x", "s3 ls x"),
    ("--prof role s3 ls", "s3 ls"),
    ("--p=role s3 ls", "s3 ls"),
    ("--profile plain --profile role s3", "s3"),
    ("--profile role --profile plain s3", None),
    ("--profile role role role", "role role"),
    ("--profile role s3 -- --profile plain", "s3 -- --profile plain"),
    ("s3 -- --profile role", None),
    ("--profile role s3 --profile", None),
    ("--profile role s3 --profile=", None),
    ("s3 --profile --debug", None),
    ("s3 ls --prefix role", None),
)


@pytest.mark.parametrize(("typed", "runs"), OPTIONS)
def test_the_option_is_taken_out_as_the_cli_reads_it(place: Place, typed: str, runs: str | None) -> None:
    expected = None if runs is None else ("role", ["aws", *runs.split()])
    assert place.session("aws", *typed.split()) == expected


UNTOUCHED = (
    "configure",
    "configure set region x",
    "configure sso",
    "configure export-credentials help",
    "configure set export-credentials",
    "sso login",
    "login",
    "logout",
    "help",
    "history show",
    "s3 help",
    "s3 ls help",
    "ec2 wait instance-running help",
    "--region eu-west-1 --debug --output json configure list",
    "--reg eu-west-1 sso login",
    "--no-cli-pager login",
    "--version",
    "s3 ls --version",
    "s3 ls --no-sign-request",
    "--no-sign s3 ls",
    "ec2 describe-instances --generate-cli-skeleton",
    "ec2 describe-instances --generate-cli-sk=output",
    "",
    "setup x",
    "other",
)
SERVED = (
    "s3 ls",
    "s3 cp file help",
    "s3api list-objects --bucket help",
    "eks update-kubeconfig --name configure",
    "ec2 describe-instances --filters configure help",
    "codeartifact login",
    "configure export-credentials",
    "--debug configure export-credentials --format env",
    "ec2 wait instance-running",
    "whoami",
    "me",
    "block ls",
    "--cli-auto-prompt",
)


@pytest.mark.parametrize("words", UNTOUCHED)
def test_commands_without_credentials_run_untouched(place: Place, words: str) -> None:
    assert place.session("aws", *words.split(), AWS_PROFILE="role") is None
    assert place.session("aws", *words.split(), "--profile", "role") is None


@pytest.mark.parametrize("words", SERVED)
def test_every_other_command_gets_a_session(place: Place, words: str) -> None:
    assert place.session("aws", *words.split(), AWS_PROFILE="role") == ("role", ["aws", *words.split()])


def test_an_alias_may_have_the_name_of_a_command(place: Place) -> None:
    (place.home / ".aws/cli/alias").write_text(ALIASES + "logout = sts get-caller-identity\n")
    assert place.session("aws", "logout", AWS_PROFILE="role") == ("role", ["aws", "logout"])


def test_an_external_alias_sees_the_variable_alone(place: Place) -> None:
    assert place.session("aws", "outside", "--profile", "role") is None
    assert place.session("aws", "outside", AWS_PROFILE="role") == ("role", ["aws", "outside"])


def test_a_prompting_cli_gets_a_session_without_a_command(place: Place) -> None:
    assert place.session("aws", AWS_PROFILE="role", AWS_CLI_AUTO_PROMPT="on-partial") == ("role", ["aws"])
    assert place.session("aws", AWS_PROFILE="role", AWS_CLI_AUTO_PROMPT="off") is None


@pytest.mark.parametrize(
    ("variables", "profile"),
    [
        ({}, None),
        ({"AWS_PROFILE": "role"}, "role"),
        ({"AWS_DEFAULT_PROFILE": "role"}, "role"),
        ({"AWS_PROFILE": "role", "AWS_DEFAULT_PROFILE": "sso"}, "role"),
        ({"AWS_PROFILE": "", "AWS_DEFAULT_PROFILE": "sso"}, None),
        ({"AWS_PROFILE": "nobody"}, None),
        ({"AWS_PROFILE": "legacy"}, None),
        ({"AWS_PROFILE": "role", "AWS_ACCESS_KEY_ID": "AKIAMINE"}, None),
        ({"AWS_PROFILE": "role", "COMP_LINE": "aws s"}, None),
        (LIVE, None),
        (LIVE | {"AWS_PROFILE": "role"}, None),
        (LIVE | {"AWS_PROFILE": "sso"}, "sso"),
        (LIVE | {"SHELLVAULT_EXPIRES_AT": "5"}, "role"),
        (LIVE | {"SHELLVAULT_EXPIRES_AT": "x" * 99}, "role"),
    ],
)
def test_without_the_option_the_variables_decide(
    place: Place, variables: dict[str, str], profile: str | None
) -> None:
    assert place.session("aws", "s3", **variables) == (profile and (profile, ["aws", "s3"]))


@pytest.mark.parametrize(
    ("variables", "profile"),
    [
        ({}, "mine"),
        ({"AWS_PROFILE": "role"}, "role"),
        ({"AWS_PROFILE": "nobody"}, None),
        ({"AWS_ACCESS_KEY_ID": "AKIAMINE"}, None),
        (LIVE, None),
    ],
)
def test_a_shims_own_profile_comes_last(place: Place, variables: dict[str, str], profile: str | None) -> None:
    choice = place.choose("make", default="mine", **variables)
    assert (choice and choice.profile) == profile


SESSION = {
    "AWS_ACCESS_KEY_ID": "ASIANEW",
    "AWS_SECRET_ACCESS_KEY": "s",
    "AWS_VAULT": "sso",
    "AWS_REGION": "eu-north-1",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "SHELLVAULT_REGION": "eu-north-1",
    "SHELLVAULT_USE_FIPS_ENDPOINT": "true",
    "SHELLVAULT_REQUEST": "sso",
}
UNSET = [
    "AWS_ENDPOINT_URL",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SDK_LOAD_CONFIG",
    "AWS_SECURITY_TOKEN",
]


def served(place: Place, *program: str, script: bytes = b"", **variables: str) -> dict[str, str]:
    """The environment of a program that is given SESSION, without HOME and the like."""
    choice = place.choose(*program, script=script, **variables)
    assert choice is not None
    changed = given(choice, SESSION, UNSET, place.environment | variables)
    return {name: value for name, value in changed.items() if name not in place.environment}


CREDENTIALS_ONLY = {
    name: value for name, value in SESSION.items() if not ("REGION" in name or "FIPS" in name)
}


def test_with_a_profile_only_credentials_are_given(place: Place) -> None:
    typed = {
        "AWS_PROFILE": "sso",
        "AWS_SDK_LOAD_CONFIG": "1",
        "AWS_ENDPOINT_URL": "u",
        "AWS_SECURITY_TOKEN": "t",
    }
    changed = served(place, "aws", "s3", **typed)
    del typed["AWS_SECURITY_TOKEN"]
    assert changed == CREDENTIALS_ONLY | typed


def test_a_region_of_default_is_given_as_exec_gives_it(place: Place) -> None:
    region = {name: value for name, value in SESSION.items() if name in ("AWS_REGION", "AWS_DEFAULT_REGION")}
    assert region
    named = {"AWS_PROFILE": "signed-in"}
    assert served(place, "aws", "s3", "--profile", "signed-in") == CREDENTIALS_ONLY | region | named
    users = {"AWS_DEFAULT_REGION": "sa-east-1"}
    assert served(place, "aws", "s3", "--profile", "signed-in", **users) == CREDENTIALS_ONLY | users | named


def test_the_option_becomes_the_variable(place: Place) -> None:
    typed = {"AWS_PROFILE": "role", "AWS_DEFAULT_PROFILE": "plain"}
    assert served(place, "aws", "s3", "--profile", "sso", **typed) == CREDENTIALS_ONLY | {
        "AWS_PROFILE": "sso"
    }


def test_a_name_only_in_the_vault_is_not_left_to_the_program(place: Place) -> None:
    assert served(place, "aws", "s3", "--profile", "only-stored", AWS_PROFILE="role") == SESSION
    assert served(place, "aws", "s3", AWS_PROFILE="only-stored") == SESSION


def test_javascripts_sdk_takes_keys_only_without_a_profile(place: Place) -> None:
    script = b"#!/usr/bin/env node\n'use strict'\n"
    assert served(place, "sls", "deploy", script=script, AWS_PROFILE="sso") == SESSION
    assert served(place, "cdk", "deploy", "--profile", "sso", script=script) == SESSION
    assert served(place, "sls", script=b"#!/bin/sh\nnode x\n", AWS_PROFILE="sso")["AWS_PROFILE"] == "sso"


def test_an_option_of_another_program_stays(place: Place) -> None:
    choice = place.choose("docker", "compose", "--profile", "sso", "up")
    assert choice is not None
    assert (choice.profile, choice.program) == ("sso", ["docker", "compose", "--profile", "sso", "up"])
    assert served(place, "docker", "--profile", "sso") == CREDENTIALS_ONLY


def test_the_settings_of_another_session_of_ours_go(place: Place) -> None:
    changed = served(place, "aws", "s3", "--profile", "sso", **LIVE)
    # AWS_DEFAULT_REGION is no longer ours.
    expected = CREDENTIALS_ONLY | {"AWS_PROFILE": "sso", "AWS_DEFAULT_REGION": "eu-west-2"}
    assert changed == expected | {"SHELLVAULT_EXPIRES_AT": LIVE["SHELLVAULT_EXPIRES_AT"]}


def test_the_session_that_is_there_is_used(place: Place) -> None:
    choice = place.choose("aws", "s3", "--profile", "role", **LIVE)
    assert choice is not None and choice.is_there
    changed = given(choice, {}, [], place.environment | LIVE)
    assert changed == place.environment | LIVE | {"AWS_PROFILE": "role"}


def test_no_program_with_a_session_gets_the_passphrase(place: Place) -> None:
    changed = served(place, "aws", "s3", AWS_PROFILE="sso", SHELLVAULT_FILE_PASSPHRASE="p")
    assert "SHELLVAULT_FILE_PASSPHRASE" not in changed


def test_the_names_of_wrap_itself() -> None:
    assert wrapping.parse(["aws", "--default", "x"]) == (["aws", "--default", "x"], "")
    assert wrapping.parse(["--default", "x", "aws", "y"]) == (["aws", "y"], "x")
    assert wrapping.parse([]) == wrapping.parse(["--default"]) == ([], "")


def test_an_expired_narrowed_session_gets_no_wider_one(place: Place) -> None:
    narrowed = {"read-only": "1"}
    line = encode("role", narrowed, place.environment, "/")
    gone = {**LIVE, "SHELLVAULT_REQUEST": line, "SHELLVAULT_EXPIRES_AT": "1"}
    again, by_name = (
        place.choose("aws", "s3", "ls", **gone),
        place.choose("aws", "s3", "--profile", "role", **gone),
    )
    other = place.choose("aws", "s3", "ls", "--profile", "stored", **gone)
    assert again
    assert (again.profile, again.narrowing) == ("role", narrowed)
    assert by_name
    assert (by_name.is_there, by_name.narrowing) == (False, narrowed)
    assert other
    assert other.narrowing == {}
