"""The links of a console sign-in, for every partition."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from shellvault.console import links
from shellvault.errors import UsageError
from shellvault.plan.regions import partition_of_region
from shellvault.sessions.model import Session

SESSION = Session("ASIAEXAMPLE", "se/cr+et", "tok=en&", 1_800_000_000, 1_799_996_400)


@pytest.mark.parametrize(
    ("region", "endpoint", "console"),
    [
        (
            None,
            "https://us-east-1.signin.aws.amazon.com/federation",
            "https://console.aws.amazon.com/console/home",
        ),
        (
            "eu-west-3",
            "https://eu-west-3.signin.aws.amazon.com/federation",
            "https://eu-west-3.console.aws.amazon.com/console/home?region=eu-west-3",
        ),
        (
            "cn-north-1",
            "https://signin.amazonaws.cn/federation",
            "https://cn-north-1.console.amazonaws.cn/console/home?region=cn-north-1",
        ),
        (
            "us-gov-east-1",
            "https://signin.amazonaws-us-gov.com/federation",
            "https://us-gov-east-1.console.amazonaws-us-gov.com/console/home?region=us-gov-east-1",
        ),
        (
            "eusc-de-east-1",
            "https://signin.amazonaws-eusc.eu/federation",
            "https://eusc-de-east-1.console.amazonaws-eusc.eu/console/home?region=eusc-de-east-1",
        ),
        (
            "us-iso-east-1",
            "https://signin.c2shome.ic.gov/federation",
            "https://us-iso-east-1.console.c2shome.ic.gov/console/home?region=us-iso-east-1",
        ),
    ],
)
def test_each_partition_has_its_own_hosts(region: str | None, endpoint: str, console: str) -> None:
    partition = partition_of_region(region or "us-east-1")
    assert links.federation_endpoint(partition, region) == endpoint
    assert links.destination(partition, region, None) == console


@pytest.mark.parametrize(
    ("page", "path"),
    [
        ("s3", "s3/home?region=eu-west-3"),
        ("/ec2/home#Instances:", "ec2/home?region=eu-west-3#Instances:"),
        ("cloudwatch/home?x=1#logs", "cloudwatch/home?x=1&region=eu-west-3#logs"),
        ("lambda/home", "lambda/home?region=eu-west-3"),
    ],
)
def test_a_page_is_a_service_or_a_path(page: str, path: str) -> None:
    assert links.destination("aws", "eu-west-3", page) == f"https://eu-west-3.console.aws.amazon.com/{path}"


def test_a_page_may_be_a_url_of_the_same_console_only() -> None:
    link = "https://eu-west-3.console.aws.amazon.com/s3/home"
    assert links.destination("aws", "eu-west-3", link) == link
    for other in (
        "https://evil.example/",
        "https://console.aws.amazon.com.evil.example/",
        "http://console.aws.amazon.com/",
        "https://console.aws.amazon.com@evil.example/",
        "javascript://console.aws.amazon.com/",
    ):
        with pytest.raises(UsageError):
            links.destination("aws", "eu-west-3", other)


def test_a_token_request_has_a_duration_only_if_asked() -> None:
    query = parse_qs(urlsplit(links.token_request("https://x/federation", SESSION, None)).query)
    assert query.keys() == {"Action", "Session"}
    assert json.loads(query["Session"][0]) == {
        "sessionId": "ASIAEXAMPLE",
        "sessionKey": "se/cr+et",
        "sessionToken": "tok=en&",
    }
    assert "SessionDuration=7200" in links.token_request("https://x/federation", SESSION, 7200)


def test_the_link_carries_destination_and_token_escaped() -> None:
    link = links.sign_in_link("https://x/federation", "a+b/c", "https://y/?region=r#z")
    assert parse_qs(urlsplit(link).query) == {
        "Action": ["login"],
        "Issuer": ["shellvault"],
        "Destination": ["https://y/?region=r#z"],
        "SigninToken": ["a+b/c"],
    }
    out = links.logged_out_first("https://us-east-1.signin.aws.amazon.com/federation", link)
    assert out.startswith("https://us-east-1.signin.aws.amazon.com/oauth?Action=logout&")
    assert parse_qs(urlsplit(out).query)["redirect_uri"] == [link]


def test_a_firefox_container_gets_the_link_as_one_value() -> None:
    link = links.container_link("https://x/?a=b&c=d", "my work")
    assert link == "ext+container:name=my%20work&url=https%3A%2F%2Fx%2F%3Fa%3Db%26c%3Dd"


@pytest.mark.parametrize("seconds", [0, 899, 43201])
def test_a_console_session_lasts_what_aws_allows(seconds: int) -> None:
    with pytest.raises(UsageError, match="15m to 12h"):
        links.checked_seconds(seconds)
    assert links.checked_seconds(900) == 900


def test_only_this_machine_can_stand_in_for_the_sign_in() -> None:
    assert (
        links.federation_endpoint("aws", "eu-west-3", "http://127.0.0.1:9/")
        == "http://127.0.0.1:9/federation"
    )
    for other in ("https://signin.evil.example", "http://10.0.0.1", "file:///x", "http://[bad"):
        with pytest.raises(UsageError, match="use a loopback address"):
            links.federation_endpoint("aws", "eu-west-3", other)
