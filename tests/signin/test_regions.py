"""A sign-in works in the region where it was made, and is asked there: at AWS's own names, as nowhere else."""

import json

import pytest

from shellvault.errors import NeedsPersonError, SessionError
from shellvault.signin import aws_sign_in, identity_center
from tests.signin.parts import Desk
from tests.signin.test_aws_sign_in import MINUTE, cli_file, cli_login


def renew(desk: Desk, region: str | None = None) -> None:
    desk.services.requests.clear()
    desk.services.clock_offset += 16 * MINUTE
    work = desk.work(quiet=True, regions={"me": region} if region else {})
    aws_sign_in.session(work, desk.sign_in_step("me", region))


def asked(desk: Desk) -> list[str | None]:
    return [request.region for request in desk.services.requests if request.path == "/v1/token"]


def signed_in_by_the_cli(desk: Desk, region: str) -> None:
    """`aws login --region REGION`: its file does not say where it was."""
    config = desk.home / ".aws" / "config"
    before = config.read_text()
    config.write_text(before.replace("region = eu-central-1", f"region = {region}"))
    cli_login(desk, seconds=14 * MINUTE)
    config.write_text(before)


def test_a_portal_is_asked_in_its_region(desk_at_aws: Desk) -> None:
    assert identity_center.token(desk_at_aws.work(), desk_at_aws.sign_in_step())
    assert {request.region for request in desk_at_aws.services.requests} == {"eu-west-1"}


def test_a_portal_in_another_region_has_no_accounts(desk_at_aws: Desk) -> None:
    desk_at_aws.services.sso_region = "us-east-1"
    with pytest.raises(SessionError, match="sso_region"):
        identity_center.token(desk_at_aws.work(), desk_at_aws.sign_in_step())


#: What a command may say of the region: nothing, an option, a variable.
SAID: list[tuple[str | None, dict[str, str]]] = [
    (None, {}),
    ("us-west-2", {}),
    (None, {"AWS_REGION": "us-west-2"}),
    (None, {"AWS_DEFAULT_REGION": "us-west-2"}),
]


@pytest.mark.parametrize(("option", "variables"), SAID)
@pytest.mark.parametrize("by_cli", [False, True], ids=["ours", "of the AWS CLI"])
def test_a_renewal_goes_to_the_region_of_the_profile(
    desk_at_aws: Desk, option: str | None, variables: dict[str, str], by_cli: bool
) -> None:
    desk_at_aws.environment |= variables
    if by_cli:
        signed_in_by_the_cli(desk_at_aws, "eu-central-1")
    else:
        aws_sign_in.session(desk_at_aws.work(), desk_at_aws.sign_in_step("me", option))
    renew(desk_at_aws, option)
    assert asked(desk_at_aws) == ["eu-central-1"]


@pytest.mark.parametrize(("option", "variables"), SAID[1:])
def test_another_likely_region_is_asked_before_a_person(
    desk_at_aws: Desk, option: str | None, variables: dict[str, str]
) -> None:
    signed_in_by_the_cli(desk_at_aws, "us-west-2")
    desk_at_aws.environment |= variables
    renew(desk_at_aws, option)
    assert asked(desk_at_aws) == ["eu-central-1", "us-west-2"]
    assert json.loads(cli_file(desk_at_aws).read_text())["signInRegion"] == "us-west-2"
    renew(desk_at_aws)
    assert asked(desk_at_aws) == ["us-west-2"]


def test_a_region_of_another_partition_is_not_asked(desk_at_aws: Desk) -> None:
    signed_in_by_the_cli(desk_at_aws, "us-west-2")
    desk_at_aws.environment["AWS_REGION"] = "cn-north-1"
    with pytest.raises(NeedsPersonError):
        renew(desk_at_aws)
    assert asked(desk_at_aws) == ["eu-central-1", "us-east-1"]
