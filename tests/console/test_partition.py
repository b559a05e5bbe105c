"""The console's partition is the plan's: a session goes to no other partition's hosts."""

from pathlib import Path

import pytest

from shellvault.cli.commands import console
from shellvault.console import links
from shellvault.errors import UsageError
from shellvault.fastlane.request import escape

KEYS = {"AWS_ACCESS_KEY_ID": "ASIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}
PORTAL = (
    "sso_start_url = https://x.awsapps.com\nsso_account_id = 123456789012\nsso_role_name = r\nsso_region = {}"
)
ROLE = "source_profile = keys\nrole_arn = arn:{}:iam::123456789012:role/r"

PROFILES = {
    PORTAL.format("cn-north-1"): "signin.amazonaws.cn",
    PORTAL.format("us-gov-west-1"): "signin.amazonaws-us-gov.com",
    PORTAL.format("eusc-de-east-1"): "signin.amazonaws-eusc.eu",
    PORTAL.format("eu-west-3"): "signin.aws.amazon.com",
    ROLE.format("aws-cn"): "signin.amazonaws.cn",
    ROLE.format("aws-us-gov") + "\nregion = us-gov-west-1-fips": "signin.amazonaws-us-gov.com",
    ROLE.format("aws-eusc"): "signin.amazonaws-eusc.eu",
    ROLE.format("aws-iso"): "signin.c2shome.ic.gov",
    ROLE.format("aws-cn") + "\nregion = us-east-1": "signin.amazonaws.cn",
    ROLE.format("aws") + "\nregion = fips-us-east-1": "signin.aws.amazon.com",
    ROLE.format("aws") + "\nregion = aws-global": "signin.aws.amazon.com",
    "login_session = arn:aws-us-gov:iam::123456789012:user/me": "signin.amazonaws-us-gov.com",
    "credential_process = x\nregion = cn-northwest-1": "signin.amazonaws.cn",
    "credential_process = x\nregion = aws-cn-global": "signin.amazonaws.cn",
    "credential_process = x\nregion = us-gov-west-1-fips": "signin.amazonaws-us-gov.com",
}


def signing_in(section: str, home: Path, **environment: str) -> console.SigningIn:
    """A sign-in in a shell that has the session of a profile with this section."""
    (home / ".aws").mkdir()
    (home / ".aws" / "config").write_text(f"[profile work]\n{section}\n[profile keys]\n")
    (home / ".local/state/shellvault").mkdir(parents=True, mode=0o700)
    (home / ".local/state/shellvault/names").write_text("keys\n")
    line = f"work config={escape(str(home))}/.aws/config home={escape(str(home))}"
    return console._of_shell({**KEYS, "HOME": str(home), "SHELLVAULT_REQUEST": line, **environment}, {})


@pytest.mark.parametrize(("section", "host"), PROFILES.items())
@pytest.mark.parametrize("environment", [{}, {"AWS_REGION": "us-west-2"}])
def test_a_session_goes_to_its_own_partition(
    section: str, host: str, environment: dict[str, str], tmp_path: Path
) -> None:
    found = signing_in(section, tmp_path, **environment)
    name = links.federation_endpoint(found.partition, found.region).split("/")[2]
    assert name.removeprefix("us-west-2.").removeprefix("us-east-1.") == host


def test_without_anything_that_says_it_nothing_is_guessed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="add --region"):
        signing_in("credential_process = x", tmp_path)
    with pytest.raises(UsageError, match="add --region"):
        console._of_shell({**KEYS, "HOME": str(tmp_path)}, {})
    assert console._of_shell({**KEYS, "HOME": str(tmp_path)}, {"region": "cn-north-1"}).partition == "aws-cn"
