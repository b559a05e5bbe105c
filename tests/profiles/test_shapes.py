"""Values are checked before they reach AWS, a host name or a command."""

import pytest

from shellvault.errors import ConfigError
from tests.profiles.resolving import ROLE, refusal, resolved, with_flags


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("region", "eu west"),
        ("region", "eu-west-1.evil.example"),
        ("region", "-eu"),
        ("region", "a" * 64),
        ("region", "evil/"),
        ("role_arn", "admin"),
        ("role_arn", "arn:aws:iam::12345:role/admin"),
        ("role_arn", "arn:aws:iam::123456789012:user/admin"),
        ("role_arn", ROLE + "/"),
        ("role_arn", ROLE + " x"),
        ("mfa_serial", "my phone"),
        ("mfa_serial", "é"),
        ("external_id", "x"),
        ("external_id", "a b"),
        ("role_session_name", "a b"),
        ("role_session_name", "zoé"),
        ("role_session_name", "x" * 65),
        ("source_identity", "a/b"),
        ("endpoint_url", "localhost:4566"),
        ("endpoint_url", "ftp://localhost"),
        ("endpoint_url", "http://"),
        ("endpoint_url", "http://user:secret@host"),
        ("endpoint_url", "http://host:0"),
        ("endpoint_url", "http://host:65536"),
        ("endpoint_url", "http://a b"),
        ("sts_regional_endpoints", "global"),
        ("ca_bundle", "/a\x01b"),
        ("mfa_process", "one\n  two"),
        ("credential_process", "one\n  two"),
        ("web_identity_token_process", "one\x07"),
        ("web_identity_token_file", "/a\n  b"),
    ],
)
def test_a_value_that_aws_would_refuse_is_an_error_with_its_line(key: str, value: str) -> None:
    assert refusal(f"[profile work]\noutput = json\n{key} = {value}\n").startswith(f"config:3: {key}: ")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AWS_REGION", "eu-west-1\nx"),
        ("AWS_DEFAULT_REGION", "$(id)"),
        ("AWS_ROLE_ARN", "role"),
        ("AWS_ENDPOINT_URL", "file:///etc/passwd"),
        ("AWS_ENDPOINT_URL_STS", "x"),
        ("AWS_MFA_SERIAL", "a b"),
        ("AWS_ROLE_SESSION_NAME", "a b"),
        ("AWS_SOURCE_IDENTITY", "\x1b[2J"),
        ("AWS_CA_BUNDLE", "a\nb"),
        ("AWS_STS_REGIONAL_ENDPOINTS", "x"),
        ("AWS_SESSION_TAGS", "x"),
    ],
)
def test_a_bad_variable_is_named(variable: str, value: str) -> None:
    assert refusal("", **{variable: value}).startswith(f"{variable}: ")


def test_a_bad_region_of_the_command_line_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^--region: 'a b' is not a region"):
        with_flags("", region="a b")


def test_a_block_where_a_value_belongs_is_an_error() -> None:
    assert (
        refusal("[profile work]\nregion =\n  a = b\n") == "config:2: region: write the value on the same line"
    )


@pytest.mark.parametrize(
    "arn", ["arn:aws-cn:iam::123456789012:role/a", "arn:aws:iam::123456789012:role/a/b/c+=,.@-_"]
)
def test_role_arns_of_all_partitions_and_paths_are_taken(arn: str) -> None:
    assert resolved(f"[profile work]\nrole_arn = {arn}\n").role_arn == arn


@pytest.mark.parametrize(
    "url", ["http://localhost:4566", "http://[::1]:65535/x?y", "https://vpce-1.sts.example/a"]
)
def test_endpoints_are_taken_as_they_are(url: str) -> None:
    assert resolved(f"[profile work]\nendpoint_url = {url}\n").endpoint_url == url


# Tags


@pytest.mark.parametrize(
    ("tags", "problem"),
    [
        ("team", "key=value"),
        ("a=b,", "key=value"),
        ("=b", "tag key AWS refuses"),
        ("aws:x=b", "tag key AWS refuses"),
        ("a*=b", "tag key AWS refuses"),
        (f"{'k' * 129}=b", "tag key AWS refuses"),
        ("a=b;c", "too long or not plain"),
        (f"a={'v' * 257}", "too long or not plain"),
        ("team=a,Team=b", "twice"),
        (",".join(f"k{number}=v" for number in range(51)), "51 tags: AWS takes 50"),
    ],
)
def test_bad_tags_are_errors_with_their_line(tags: str, problem: str) -> None:
    message = refusal(f"[profile work]\nsession_tags = {tags}\n")
    assert message.startswith("config:2: session_tags: ") and problem in message


def test_the_largest_tags_aws_takes_are_taken() -> None:
    keys = [f"{number:02}" + "ключ" * 31 for number in range(50)]
    tags = ",".join(f"{key}={'v' * 256}" for key in keys)
    assert len(keys[0]) <= 128
    assert len(resolved(f"[profile work]\nsession_tags = {tags}\n").session_tags) == 50


def test_a_tag_may_have_an_empty_value_and_equals_signs() -> None:
    assert resolved("[profile work]\nsession_tags = a=,b=c=d\n").session_tags == (("a", ""), ("b", "c=d"))


@pytest.mark.parametrize("keys", ["b", "a,b", "a,", "a,A"])
def test_transitive_keys_must_be_tags_once_each(keys: str) -> None:
    message = refusal(f"[profile work]\nsession_tags = a=1\ntransitive_session_tags = {keys}\n")
    assert message.startswith("config:3: transitive_session_tags: ")


def test_transitive_keys_need_tags() -> None:
    assert "no session tag" in refusal("[profile work]\ntransitive_session_tags = a\n")


@pytest.mark.parametrize(
    ("value", "variables"),
    [
        ("DEPLOY_TO=staging", {"DEPLOY_TO": "staging"}),
        (
            "TF_VAR_team='a b' EMPTY= HOST=\"x=y\"  https_proxy=http://proxy:8080",
            {"TF_VAR_team": "a b", "EMPTY": "", "HOST": "x=y", "https_proxy": "http://proxy:8080"},
        ),
        ("A=$(touch\\ x)", {"A": "$(touch x)"}),
    ],
)
def test_a_profile_sets_variables_of_its_own(value: str, variables: dict[str, str]) -> None:
    assert resolved(f"[profile work]\nshellvault_env = {value}").variables == variables


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("DEPLOY_TO", "is not NAME=value"),
        ("name=x", "is not NAME=value"),
        ("A-B=x", "is not NAME=value"),
        ("_=x", "is not NAME=value"),
        ("A='x", "a quote that is not closed"),
        ("A=1 B=2 A=3", "sets A twice"),
        ("Abc=1 ABC=2", "sets ABC twice"),
        ("AWS_ACCESS_KEY_ID=x", "sets AWS_ACCESS_KEY_ID, which a profile may not"),
        ("AWS_PROFILE=x", "which a profile may not"),
        ("SHELLVAULT_REQUEST=x", "which a profile may not"),
        ("LD_PRELOAD=x.so", "which a profile may not"),
        ("PATH=/tmp", "which a profile may not"),
        ("BASH_ENV=x", "which a profile may not"),
        ("PROMPT_COMMAND=x", "which a profile may not"),
    ],
)
def test_a_profile_does_not_set_what_means_something_already(value: str, reason: str) -> None:
    assert reason in refusal(f"[profile work]\nshellvault_env = {value}")
