"""A mistyped region names the one that was meant; no region of AWS, of today or tomorrow, is taken for a mistake."""

import pytest
from botocore.loaders import Loader

from shellvault.errors import ConfigError
from shellvault.fastlane import request
from shellvault.plan.regions import near
from shellvault.sessions.for_request import parsed, plan_for_request
from tests.support.home import Home

KNOWN = [name for part in Loader().load_data("partitions")["partitions"] for name in part["regions"]]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("eu-centrl-1", "eu-central-1"),
        ("eu-cental-1", "eu-central-1"),
        ("us-eats-1", "us-east-1"),
        ("eu-central1", "eu-central-1"),
        ("EU-CENTRAL-1", "eu-central-1"),
        ("useast-1", "us-east-1"),
    ],
)
def test_a_mistyped_region_names_the_one_that_was_meant(typed: str, meant: str) -> None:
    assert near(typed) == meant


@pytest.mark.parametrize(
    "region",
    [
        *KNOWN,
        "eu-southeast-9",
        "ap-east-3",
        "us-south-1",
        "mx-northwest-1",
        "fips-us-gov-west-1",
        "local",
        "x",
    ],
)
def test_what_is_or_may_be_a_region_is_no_mistake(region: str) -> None:
    assert near(region) is None


@pytest.mark.parametrize("by", ["--region", "AWS_REGION", "the profile"])
def test_it_is_said_before_the_network_is_asked(home: Home, by: str) -> None:
    home.write_config(f"[profile work]\n{'region = eu-centrl-1' if by == 'the profile' else ''}\n")
    options = {"region": "eu-centrl-1"} if by == "--region" else {}
    environment = home.environment | ({"AWS_REGION": "eu-centrl-1"} if by == "AWS_REGION" else {})
    line = request.encode("work", options, environment, "/")
    with pytest.raises(ConfigError, match="there is no region eu-centrl-1: did you mean eu-central-1"):
        plan_for_request(parsed(line), {"work": "AKIAEXAMPLE"}, environment)
    with_endpoint = environment | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    line = request.encode("work", options, with_endpoint, "/")
    assert plan_for_request(parsed(line), {"work": "AKIAEXAMPLE"}, with_endpoint)[0].region == "eu-centrl-1"
