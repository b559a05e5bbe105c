"""A region becomes a part of a host's name in one place, and what is no region reaches no address."""

import ast
import json
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from urllib.parse import urlsplit

import botocore.session
import pytest

import shellvault
from shellvault.cli.commands import console, doctor, signin
from shellvault.console import links
from shellvault.errors import ConfigError
from shellvault.plan import Endpoint, Options, build, regions
from shellvault.profiles.parse import load
from shellvault.profiles.resolve import resolve
from shellvault.sessions.for_request import overrides_of, parsed, plan_for_request
from shellvault.signin import aws_sign_in, service
from shellvault.signin.cli_cache import CachedFile
from shellvault.signin.login import Login
from tests import signin as signin_tests

PACKAGE = Path(shellvault.__file__).parent

ATTACKS = (
    "evil.example/x",
    "a@evil.example/",
    "evil.example#",
    "evil.example?",
    "us-east-1.evil.example",
    "us-east-1\r\nHost: evil.example",
    "us-east-1\n",
    " us-east-1",
    "us-east-1。evil。example",
    "us-east-1．evil．example",
    "ｕs-east-1",
    "evil.example:443/",
    "..",
    "-",
    "a" * 64,
    "a" * 100_000,
    "%2e%2e",
    "us-east-1\\@evil.example",
    "us-east-1\0",
)

#: What the addresses of hosts may be built from outside of plan/regions.py, by file.
BUILDS_ADDRESSES = {
    "cli/commands/doctor.py": "of regions.host",
    "cli/ec2_server.py": "this machine's own",
    "console/links.py": "of regions.host",
    "profiles/shapes.py": "an address of the user's again, in its canonical form",
    "signin/service.py": "of botocore",
    "signin/start_urls.py": "what a person has typed, before it is checked",
}


def _of_profile(text: str) -> Callable[[str, Path], object]:
    def planned(region: str, folder: Path) -> object:
        path = folder / "config"
        path.write_text(f"[profile work]\n{text.format(region)}\n", encoding="utf-8", newline="")
        return build(resolve(load(path), "work", overrides_of({})), {"work": "AKIAEXAMPLE"}, Options()).steps

    return planned


def _of_request(name: str) -> Callable[[str, Path], object]:
    """A message on the socket: its fields are what the sender has written."""

    def planned(region: str, folder: Path) -> object:
        from shellvault.fastlane.request import escape

        line = f"work {name}={escape(region)} config={folder}/none"
        return plan_for_request(parsed(line), {"work": "AKIAEXAMPLE"}, {})

    return planned


def _environment(name: str, region: str) -> Mapping[str, str]:
    keys = {"AWS_ACCESS_KEY_ID": "ASIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}
    return keys | {name: region, "HOME": "/nowhere"}


SSO = "sso_start_url = https://x.awsapps.com/start\nsso_region = {}\nsso_account_id = 123456789012\nsso_role_name = a"

DOORS: dict[str, Callable[[str, Path], object]] = {
    "profile": _of_profile("region = {}"),
    "sso_region": _of_profile(SSO),
    "--region": _of_request("region"),
    "AWS_REGION": _of_request("AWS_REGION"),
    "AWS_DEFAULT_REGION": _of_request("AWS_DEFAULT_REGION"),
    "console AWS_REGION": lambda region, _: console._of_shell(_environment("AWS_REGION", region), {}),
    "console AWS_DEFAULT_REGION": lambda region, _: console._of_shell(
        _environment("AWS_DEFAULT_REGION", region), {}
    ),
    "console --region": lambda region, _: console._of_shell(_environment("X", ""), {"region": region}),
    "console sign-in": lambda region, _: links.federation_endpoint("aws", region),
    "console page": lambda region, _: links.destination("aws", region, None),
    "doctor AWS_REGION": lambda region, _: doctor._clock_url({"AWS_REGION": region}),
    "doctor AWS_DEFAULT_REGION": lambda region, _: doctor._clock_url({"AWS_DEFAULT_REGION": region}),
    "signin --new": lambda region, _: signin.of_environment({}, region),
    "any call": lambda region, _: Endpoint(region),
    "sts": lambda region, _: service.base_url("sts", "get_caller_identity", Endpoint(region)),
    "iam": lambda region, _: service.base_url("iam", "get_user", Endpoint(region)),
    "sso": lambda region, _: service.base_url("sso", "list_accounts", Endpoint(region)),
    "oidc": lambda region, _: service.base_url("sso-oidc", "register_client", Endpoint(region)),
}


#: White space around a value is none of it in a config file, and a line break ends it.
READS_AS_A_REGION = (" us-east-1", "us-east-1\n", "us-east-1\r\nHost: evil.example")
CASES = [
    (door, region)
    for door in DOORS
    for region in ATTACKS
    if not (door in ("profile", "sso_region") and region in READS_AS_A_REGION)
]


@pytest.mark.parametrize(("door", "region"), CASES, ids=lambda text: ascii(text[:20]))
def test_what_is_no_region_reaches_no_host(door: str, region: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        DOORS[door](region, tmp_path)


@pytest.mark.parametrize("region", ATTACKS, ids=lambda text: ascii(text[:20]))
def test_a_kept_sign_in_with_another_host_is_none(region: str) -> None:
    cases = json.loads((Path(signin_tests.__file__).parent / "login-provider-test-cases.json").read_text())
    document = next(iter(cases[0]["cacheContents"].values()))
    found = aws_sign_in.login_of(CachedFile(Path("x"), 0, document), "eu-west-1")
    assert found and Login.from_json(found.to_json()) == found
    assert (
        aws_sign_in.login_of(CachedFile(Path("x"), 0, document | {"signInRegion": region}), "eu-west-1")
        is None
    )
    assert Login.from_json(found.to_json() | {"region": region}) is None


def real_regions() -> list[tuple[str, str]]:
    data = json.loads(resources.files("botocore").joinpath("data/partitions.json").read_text())
    return [(each["id"], region) for each in data["partitions"] for region in each["regions"]]


@pytest.mark.parametrize("shape", ["{}", "fips-{}", "{}-fips"])
def test_regions_and_partitions_are_those_of_botocore(shape: str) -> None:
    known = real_regions()
    assert len(known) > 40
    for partition, region in known:
        named = shape.format(region)
        assert regions.partition_of_region(named) == partition
        real = regions.real_region(named, partition)
        assert real == (None if region.endswith("-global") else region)
        assert regions.host("console", partition, named).endswith(regions.PARTITIONS[partition].console)
        assert "fips" not in regions.host("signin", partition, named)
        assert "global" not in regions.host("signin", partition, named)


def test_hosts_are_those_of_botocores_rules() -> None:
    for partition, region in real_regions():
        if region.endswith("-global"):
            continue
        sts = service.base_url("sts", "get_caller_identity", Endpoint(region))
        assert f"https://{regions.host('sts', partition, region)}" == sts
        page = urlsplit(service.base_url("signin", "create_o_auth2_token", Endpoint(region))).hostname
        assert page == f"{region}.{regions.PARTITIONS[partition].signin}"


def test_endpoints_named_like_regions_give_real_hosts() -> None:
    session = botocore.session.get_session()
    for partition in session.get_available_partitions():
        for name in session.get_available_regions("sts", partition, allow_non_regional=True):
            host = regions.host("signin", partition, name)
            first = host.removesuffix(regions.PARTITIONS[partition].signin).strip(".")
            assert first == "" or (partition, first) in real_regions(), name


def test_a_region_of_another_partition_takes_no_session_there() -> None:
    for partition in regions.PARTITIONS:
        endpoint = links.federation_endpoint(partition, "us-east-1")
        assert endpoint.endswith(f"{regions.PARTITIONS[partition].signin}/federation")
        assert links.destination(partition, "us-gov-east-1", None)


def test_addresses_are_made_in_no_other_place() -> None:
    """Texts that go on after `://` with a value."""
    found = set()
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr) and any(
                isinstance(one, ast.Constant) and "://" in str(one.value)[-4:] for one in node.values[:-1]
            ):
                found.add(file.relative_to(PACKAGE).as_posix())
            if isinstance(node, ast.keyword) and node.arg == "region_name":
                assert file.name == "clients.py", file
    assert found == BUILDS_ADDRESSES.keys()
