"""The formats of `export`, each given to what reads it."""

import io
import json
import subprocess
from pathlib import Path

import dotenv
import pytest
from botocore.configloader import raw_config_parse
from hypothesis import given
from hypothesis import strategies as st

from shellvault.errors import UsageError
from shellvault.shells.export import FORMATS, export
from shellvault.variables import Change
from tests.shells.running import QUIET, Script, outcome, real_shell, session

WORK = session("work")
EXPORTED = {
    "AWS_ACCESS_KEY_ID": "ASIAWORK1",
    "AWS_SECRET_ACCESS_KEY": "secret/work+1",
    "AWS_SESSION_TOKEN": "token/work/1==",
    "AWS_CREDENTIAL_EXPIRATION": "2030-01-01T00:00:01Z",
    "AWS_REGION": "eu-central-1",
    "AWS_DEFAULT_REGION": "eu-central-1",
}
ODD = "a 'b' \"c\" $HOME `d` \\ # é\u2019"


def with_endpoint(url: str) -> Change:
    return session("work", AWS_ENDPOINT_URL=url)


def test_env_has_a_plain_line_for_each_variable() -> None:
    expected = "".join(f"{name}={value}\n" for name, value in EXPORTED.items())
    assert export("env", WORK, "work") == expected


def test_json_is_what_credential_process_expects() -> None:
    assert json.loads(export("json", WORK, "work")) == {
        "Version": 1,
        "AccessKeyId": "ASIAWORK1",
        "SecretAccessKey": "secret/work+1",
        "SessionToken": "token/work/1==",
        "Expiration": "2030-01-01T00:00:01Z",
    }


def test_json_of_long_term_keys_has_neither_token_nor_expiration() -> None:
    keys = session("work", without=("AWS_SESSION_TOKEN", "AWS_CREDENTIAL_EXPIRATION"))
    assert set(json.loads(export("json", keys, "work"))) == {"Version", "AccessKeyId", "SecretAccessKey"}


@pytest.mark.parametrize("profile", ["work", "default", "a b", "a]b", "[x]", "#1", "naïve ☕", "profile x"])
def test_ini_is_a_section_of_the_credentials_file(profile: str, tmp_path: Path) -> None:
    path = tmp_path / "credentials"
    path.write_text("[before]\naws_access_key_id = x\n\n" + export("ini", WORK, profile), encoding="utf-8")
    assert raw_config_parse(str(path))[profile] == {
        "aws_access_key_id": "ASIAWORK1",
        "aws_secret_access_key": "secret/work+1",
        "aws_session_token": "token/work/1==",
        "aws_credential_expiration": "2030-01-01T00:00:01Z",
        "region": "eu-central-1",
    }


@pytest.mark.parametrize("profile", ["", " a", "a\n[b]", "a\r", "\u2028", "\udcff"])
def test_ini_refuses_a_name_that_it_cannot_hold(profile: str) -> None:
    with pytest.raises(UsageError, match=r"the profile name .* --format json$"):
        export("ini", WORK, profile)


def test_ini_refuses_a_value_that_would_be_more_than_one_line() -> None:
    with pytest.raises(UsageError, match=r"^region has characters"):
        export("ini", session("work", AWS_REGION="x\naws_access_key_id = other"), "work")


@given(url=st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_dotenv_is_read_as_it_was_or_refused(url: str) -> None:
    try:
        text = export("dotenv", with_endpoint(url), "work")
    except UsageError as error:
        assert "AWS_ENDPOINT_URL" in str(error)
        return
    assert dotenv.dotenv_values(stream=io.StringIO(text)) == {**EXPORTED, "AWS_ENDPOINT_URL": url}


@pytest.mark.parametrize("url", ["http://x/?a=b&c=d#e", "$HOME", '"', "a\\b", " padded ", "it's", "é"])
def test_dotenv_can_hold_what_its_readers_agree_on(url: str) -> None:
    text = export("dotenv", with_endpoint(url), "work")
    assert dotenv.dotenv_values(stream=io.StringIO(text))["AWS_ENDPOINT_URL"] == url


@pytest.mark.parametrize(
    "url", ["two\nlines", "both ' and \"", "${HOME}", "ends in \\", "a\\\\b", "it's $HOME"]
)
def test_dotenv_refuses_what_its_readers_disagree_about(url: str) -> None:
    with pytest.raises(UsageError, match=r"^AWS_ENDPOINT_URL has characters"):
        export("dotenv", with_endpoint(url), "work")


@pytest.mark.parametrize(
    ("form", "shell"),
    [
        ("env", *real_shell("bash").values),
        ("export-env", *real_shell("bash").values),
    ],
)
def test_posix_assignments_are_read_by_sh(form: str, shell: str, tmp_path: Path) -> None:
    text = export(form, with_endpoint(ODD + "\nline"), "work")
    (tmp_path / "session").write_text(text, encoding="utf-8")
    command = f'set -a; . {tmp_path / "session"}; printf %s "$AWS_ENDPOINT_URL"'
    result = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60)
    assert (result.stdout, result.stderr) == (ODD + "\nline", "")


@pytest.mark.parametrize(
    ("shell", "form"),
    [
        real_shell("bash", "export-env"),
        real_shell("zsh", "export-env"),
        real_shell("fish", "fish"),
        real_shell("powershell", "powershell"),
    ],
)
def test_an_export_leaves_no_rest_of_another_session(shell: str, form: str, tmp_path: Path) -> None:
    change = session("work", without=("AWS_SESSION_TOKEN",), AWS_ENDPOINT_URL=ODD)
    steps = Script(shell, tmp_path)
    steps.export("AWS_SESSION_TOKEN", "stale")
    steps.export("AWS_PROFILE", "other")
    steps.evaluate(export(form, change, "work"))
    steps.dump("after")
    assert outcome(steps.run()) == QUIET
    after = {name: value for name, value in steps.environment("after").items() if name.startswith("AWS_")}
    expected = {**EXPORTED, "AWS_ENDPOINT_URL": ODD}
    del expected["AWS_SESSION_TOKEN"]
    assert after == expected


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_ends_with_one_newline(form: str) -> None:
    text = export(form, WORK, "work")
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
