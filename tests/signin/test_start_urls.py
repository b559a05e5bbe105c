"""Start URLs, where a sign-in may begin, and where a browser is opened."""

from pathlib import Path

import pytest

from shellvault.dialogue import sign_in_prompt
from shellvault.errors import SessionError
from shellvault.plan import Endpoint
from shellvault.sessions.model import Challenge
from shellvault.signin import service, start_urls
from shellvault.signin.attempt import is_elsewhere

AWS = (
    "https://d-1234567890.awsapps.com/start",
    "https://ssoins-1234.portal.eu-west-1.app.aws",
    "https://ssoins-1234.eu-west-1.portal.amazonaws.com",
    "https://start.home.awsapps.cn/directory/x",
    "https://x.portal.amazonaws.com.cn/start",
    "https://x.portal.amazonaws.eu/start",
    "https://identitycenter.us-gov.amazonaws.com/ssoins-1",
)


@pytest.mark.parametrize("url", AWS)
def test_an_address_of_aws_in_any_partition_is_taken_as_it_is(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start_urls, "_redirection", lambda *_: pytest.fail("no address was to be asked"))
    assert start_urls.resolved(url) == url
    assert start_urls.resolved(f"{url}/#/") == url


def test_a_companys_own_address_leads_to_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start_urls, "_redirection", lambda *_: AWS[0] + "/#/")
    assert start_urls.resolved("https://aws.example.com") == AWS[0]


@pytest.mark.parametrize(
    "target", ["https://evil.example/start", "http://d-1.awsapps.com/start", "https://awsapps.com.evil"]
)
def test_an_address_that_leads_elsewhere_is_refused(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start_urls, "_redirection", lambda *_: target)
    with pytest.raises(SessionError, match="which is not AWS"):
        start_urls.resolved("https://aws.example.com")


def test_an_address_in_plain_text_is_refused() -> None:
    with pytest.raises(SessionError, match="is not https"):
        start_urls.resolved("http://aws.example.com")


def test_an_address_that_leads_nowhere_is_for_aws_to_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start_urls, "_redirection", lambda *_: None)
    assert start_urls.resolved("https://aws.example.com/start/") == "https://aws.example.com/start"


@pytest.mark.parametrize(
    ("region", "dual_stack", "fips", "host"),
    [
        ("eu-west-1", False, False, "oidc.eu-west-1.amazonaws.com"),
        ("eu-west-1", True, False, "oidc.eu-west-1.api.aws"),
        ("us-east-1", False, True, "oidc-fips.us-east-1.amazonaws.com"),
        ("cn-north-1", False, False, "oidc.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", False, False, "oidc.us-gov-west-1.amazonaws.com"),
        ("eusc-de-east-1", False, False, "oidc.eusc-de-east-1.amazonaws.eu"),
    ],
)
def test_the_page_is_on_the_host_that_botocore_asks(
    region: str, dual_stack: bool, fips: bool, host: str
) -> None:
    endpoint = Endpoint(region, fips=fips, dual_stack=dual_stack)
    assert service.base_url("sso-oidc", "register_client", endpoint) == f"https://{host}"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"SHELLVAULT_DEVICE_CODE": "1", "DISPLAY": ":0"}, True),
        ({"SHELLVAULT_DEVICE_CODE": "0", "SSH_CONNECTION": "x"}, False),
        ({"SSH_CONNECTION": "x", "BROWSER": "code"}, True),
        ({"SSH_TTY": "x", "DISPLAY": ":10"}, False),
        ({"CODESPACES": "true", "DISPLAY": ":0"}, True),
        ({"WSL_DISTRO_NAME": "Debian"}, False),
        ({"DISPLAY": ":0"}, False),
        ({"BROWSER": "firefox"}, False),
        ({}, True),
    ],
)
def test_a_code_is_used_where_the_browser_is_elsewhere(
    environment: dict[str, str], expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shellvault.signin.attempt._CONTAINER_FILES", ())
    assert is_elsewhere({"HOME": str(tmp_path), **environment}) is expected


@pytest.mark.parametrize(
    ("challenge", "environment", "settings", "opened"),
    [
        ({}, {}, "", None),
        ({}, {"SHELLVAULT_BROWSER": "firefox"}, "", "firefox"),
        ({}, {"SHELLVAULT_BROWSER": "none"}, "", "-"),
        (
            {},
            {},
            'browser = "firefox"\n[browsers]\ncorp = "chromium --profile-directory=Work"',
            "chromium --profile-directory=Work",
        ),
        ({}, {}, 'browser = "none"', "-"),
        ({"was_shown": True}, {}, "", "-"),
        ({"code": "ABCD-EFGH"}, {}, "", "-"),
        ({"code": "ABCD-EFGH"}, {"SHELLVAULT_BROWSER": "firefox"}, "", "firefox"),
    ],
)
def test_which_browser_is_opened(
    challenge: dict[str, object],
    environment: dict[str, str],
    settings: str,
    opened: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / ".config" / "shellvault"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(settings)
    seen: list[str | None] = []
    monkeypatch.setattr(sign_in_prompt, "_require_person", lambda *_: None)
    monkeypatch.setattr(sign_in_prompt.terminal, "write", lambda *_: None)
    monkeypatch.setattr(sign_in_prompt, "_open", lambda link, environment, browser: seen.append(browser))
    given = Challenge("sign-in", "corp", "Sign in to corp", link="https://x", **challenge)  # type: ignore[arg-type]
    thread = sign_in_prompt.show(given, {"HOME": str(tmp_path), **environment})
    if thread:
        thread.join(5)
    assert (seen or ["-"]) == [opened]


@pytest.mark.parametrize(
    ("typed", "start_url"),
    [
        ("https://corp.awsapps.com/start", "https://corp.awsapps.com/start"),
        (" HTTPS://Corp.AWSapps.com/start/#/ ", "https://corp.awsapps.com/start"),
        ("corp.awsapps.com/start#/?tab=accounts", "https://corp.awsapps.com/start"),
        (r"https://corp.awsapps.com/start/\#/", "https://corp.awsapps.com/start"),
        ("corp.awsapps.com", "https://corp.awsapps.com/start"),
        ("https://corp.awsapps.com/start/?x=1", "https://corp.awsapps.com/start"),
        ("ssoins-1.portal.eu-west-1.app.aws/", "https://ssoins-1.portal.eu-west-1.app.aws"),
        ("sso.corp.example:8443/Start", "https://sso.corp.example:8443/Start"),
    ],
)
def test_what_is_copied_from_a_browser_becomes_the_start_url(typed: str, start_url: str) -> None:
    assert start_urls.typed(typed) == start_url


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("http://corp.awsapps.com/start", "https://, not http://"),
        ("ftp://corp.awsapps.com", "https://, not ftp://"),
        ("corp", "no start URL"),
        ("", "no start URL"),
        ("https://", "no start URL"),
        ("https://a b.example", "no start URL"),
        ("https://user@corp.example", "no start URL"),
        ("https://corp.example/\x1b[2J", "no start URL"),
        ("https://[", "no start URL"),
    ],
)
def test_what_is_no_start_url_is_refused(typed: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        start_urls.typed(typed)


@pytest.mark.parametrize(
    ("start_url", "region"),
    [
        ("https://ssoins-1.portal.eu-west-1.app.aws", "eu-west-1"),
        ("https://ssoins-1.us-gov-west-1.portal.amazonaws.com", "us-gov-west-1"),
        ("https://ssoins-1.eusc-de-east-1.portal.amazonaws.eu", "eusc-de-east-1"),
        ("https://corp.awsapps.com/start", ""),
        ("https://my-eu-west-1.example", ""),
    ],
)
def test_the_region_in_a_start_url_is_suggested(start_url: str, region: str) -> None:
    assert start_urls.region_of(start_url) == region
