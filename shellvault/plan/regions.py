"""Regions and partitions: the only place that checks a region and makes it part of a host name.

botocore makes the hosts of API calls, from an `Endpoint`, which holds only checked regions. This module makes the
hosts that botocore has no rule for. Sources: the SDKs' partitions file and endpoint rules (a test holds this
against botocore's), and the IAM User Guide, "Enable custom identity broker access to the console".
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from shellvault.display import printable
from shellvault.errors import ConfigError
from shellvault.profiles.settings import Setting
from shellvault.profiles.shapes import looks_as, shaped


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition: the prefixes of its regions, its default region, and the hosts of its pages."""

    start: str
    default_region: str
    api: str
    signin: str
    console: str


PARTITIONS = {
    "aws-cn": Partition(
        "cn-", "cn-north-1", "amazonaws.com.cn", "signin.amazonaws.cn", "console.amazonaws.cn"
    ),
    "aws-eusc": Partition(
        "eusc-", "eusc-de-east-1", "amazonaws.eu", "signin.amazonaws-eusc.eu", "console.amazonaws-eusc.eu"
    ),
    "aws-iso": Partition(
        "us-iso-", "us-iso-east-1", "c2s.ic.gov", "signin.c2shome.ic.gov", "console.c2shome.ic.gov"
    ),
    "aws-iso-b": Partition(
        "us-isob-", "us-isob-east-1", "sc2s.sgov.gov", "signin.sc2shome.sgov.gov", "console.sc2shome.sgov.gov"
    ),
    "aws-iso-e": Partition(
        "eu-isoe-", "eu-isoe-west-1", "cloud.adc-e.uk", "signin.csphome.adc-e.uk", "console.csphome.adc-e.uk"
    ),
    "aws-iso-f": Partition(
        "us-isof-",
        "us-isof-south-1",
        "csp.hci.ic.gov",
        "signin.csphome.hci.ic.gov",
        "console.csphome.hci.ic.gov",
    ),
    "aws-us-gov": Partition(
        "us-gov-",
        "us-gov-west-1",
        "amazonaws.com",
        "signin.amazonaws-us-gov.com",
        "console.amazonaws-us-gov.com",
    ),
    # Regions with no known prefix belong here, as in botocore.
    "aws": Partition("", "us-east-1", "amazonaws.com", "signin.aws.amazon.com", "console.aws.amazon.com"),
}

#: The words in names of regions.
_AREAS = ("us", "eu", "ap", "sa", "ca", "me", "af", "il", "mx", "cn", "eusc")
_PARTS = ("gov", "iso", "isob", "isoe", "isof", "de", "global", "aws")
_POINTS = ("north", "south", "east", "west", "central", "northeast", "northwest", "southeast", "southwest")
_WORDS = frozenset((*_AREAS, *_PARTS, *_POINTS))

#: The pseudo-regions of before `use_fips_endpoint`: `fips-us-gov-west-1`, `us-gov-west-1-fips`.
_FIPS = re.compile("fips-|-fips")


def checked(region: str) -> str:
    """The region unchanged. Raises ConfigError unless it is exactly one label of a host name."""
    if not looks_as(region, "region"):
        raise ConfigError(f"{printable(region[:100])!r} is not a region: it is a word such as eu-west-1")
    return region


def near(region: str) -> str | None:
    """The region probably meant by one with a mistyped word; None if it may be a real region.

    New AWS regions consist of known words, so they never count as mistyped.
    """
    words = without_fips(region).split("-")
    if {word for word in words if not word.isdigit()} <= _WORDS:
        return None
    from botocore.loaders import Loader

    known = [
        name
        for partition in Loader().load_data("partitions")["partitions"]
        for name in partition["regions"]
        if not name.endswith("-global")
    ]
    return next(iter(difflib.get_close_matches(region.casefold(), known, 1, 0.75)), None)


def of_environment(environment: Mapping[str, str], flag: str | None = None) -> str | None:
    """The region that `--region` or the environment names. Raises ConfigError for an invalid one."""
    named = (
        (flag, "--region"),
        *((environment.get(name), name) for name in ("AWS_REGION", "AWS_DEFAULT_REGION")),
    )
    given = (Setting(text, name, "environment") for text, name in named if text)
    return next((shaped(setting, "region") for setting in given), None)


def without_fips(region: str) -> str:
    """The region that a pseudo-region for FIPS endpoints means; any other unchanged."""
    return _FIPS.sub("", region)


def partition_of_region(region: str) -> str:
    """The name of a region's partition, also of the pseudo-regions `aws-global`, `aws-cn-global` and so on."""
    plain = without_fips(region)
    if plain.endswith("-global"):
        name = plain.removesuffix("-global")
        return name if name in PARTITIONS else "aws"
    return next(name for name, partition in PARTITIONS.items() if plain.startswith(partition.start))


def default_region(partition: str) -> str:
    """The region used in `partition` when no setting names one."""
    return PARTITIONS.get(partition, PARTITIONS["aws"]).default_region


def real_region(region: str | None, partition: str) -> str | None:
    """The region of `partition` that a setting means; None when it means no region there.

    Raises ConfigError for an invalid region.
    """
    plain = without_fips(checked(region)) if region else ""
    is_real = plain and not plain.endswith("-global") and partition_of_region(plain) == partition
    return plain if is_real else None


def host(of: Literal["sts", "signin", "console"], partition: str, region: str | None) -> str:
    """The host of STS, or of the console's pages and of its sign-in, in a partition.

    `region` is read as by `real_region`. Raises ConfigError for an unknown partition.
    """
    if partition not in PARTITIONS:
        raise ConfigError(f"the partition {printable(partition[:100])!r} of AWS is unknown to this version")
    where, found = PARTITIONS[partition], real_region(region, partition)
    if of == "sts":
        return f"sts.{found or where.default_region}.{where.api}"
    if of == "signin":
        # Only the first partition has a federation endpoint in every region.
        return f"{found or where.default_region}.{where.signin}" if partition == "aws" else where.signin
    return f"{found}.{where.console}" if found else where.console
