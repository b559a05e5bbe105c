"""Where a step's call goes."""

import json
from importlib import resources

import pytest

from shellvault.plan import Endpoint, endpoint_for
from shellvault.plan.endpoints import default_region, partition_of, partition_of_region
from shellvault.profiles.model import Profile, Sso
from tests.profiles.resolving import ROLE


@pytest.mark.parametrize(
    ("profile", "partition"),
    [
        (Profile("a", True, region="cn-north-1", role_arn=ROLE), "aws"),
        (Profile("a", True), None),
        (Profile("a", True, sso=Sso("https://x.awsapps.cn", "cn-north-1", None, None)), "aws-cn"),
        (Profile("a", True, login_session="arn:aws-us-gov:iam::123456789012:user/a"), "aws-us-gov"),
        (Profile("a", True, role_arn=ROLE), "aws"),
        (Profile("a", True, role_arn="arn:aws-cn:iam::123456789012:role/a"), "aws-cn"),
        (Profile("a", True, role_arn="arn:aws-us-gov:iam::123456789012:role/a"), "aws-us-gov"),
        (Profile("a", True, mfa_serial="arn:aws-cn:iam::123456789012:mfa/a"), "aws-cn"),
        (Profile("a", True, mfa_serial="GAHT12345678"), None),
        (Profile("a", True, mfa_serial="GAHT12345678", region="us-gov-east-1-fips"), "aws-us-gov"),
    ],
)
def test_the_arns_of_a_plan_say_its_partition_else_its_regions(
    profile: Profile, partition: str | None
) -> None:
    assert partition_of([Profile("before", True), profile]) == partition


def test_partitions_and_their_regions_are_botocores() -> None:
    data = json.loads(resources.files("botocore").joinpath("data/partitions.json").read_text())
    for partition in data["partitions"]:
        regions = [region for region in partition["regions"] if "global" not in region]
        assert {partition_of_region(region) for region in regions} == {partition["id"]}
        assert default_region(partition["id"]) in regions


def test_a_region_of_ones_own_is_asked() -> None:
    profile = Profile("a", True, region="eu-west-1")
    assert endpoint_for(profile, "sts", partition="aws-cn") == Endpoint("eu-west-1")
    assert endpoint_for(profile, "sso", "us-west-2") == Endpoint("us-west-2")
    assert endpoint_for(Profile("a", True), "sts", partition="aws-new") == Endpoint("us-east-1")


@pytest.mark.parametrize("region", ["us-gov-west-1-fips", "fips-us-gov-west-1"])
def test_a_pseudo_region_asks_for_fips(region: str) -> None:
    assert endpoint_for(Profile("a", True, region=region), "sts") == Endpoint("us-gov-west-1", fips=True)
