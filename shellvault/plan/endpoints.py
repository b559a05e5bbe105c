"""Where a call goes: the settings from which botocore chooses the host, and what they mean for a cache."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from shellvault.profiles.model import Profile, Service

#: By the name of a partition: how its regions begin, and the region that is asked when nothing names one.
_PARTITIONS = {
    "aws-cn": ("cn-", "cn-north-1"),
    "aws-eusc": ("eusc-", "eusc-de-east-1"),
    "aws-iso": ("us-iso-", "us-iso-east-1"),
    "aws-iso-b": ("us-isob-", "us-isob-east-1"),
    "aws-iso-e": ("eu-isoe-", "eu-isoe-west-1"),
    "aws-iso-f": ("us-isof-", "us-isof-south-1"),
    "aws-us-gov": ("us-gov-", "us-gov-west-1"),
}
_DEFAULT_REGION = "us-east-1"

#: The pseudo-regions of before `use_fips_endpoint`: `fips-us-gov-west-1`, `us-gov-west-1-fips`.
_FIPS_REGION = re.compile("fips-|-fips")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a call goes: to `url`, or without one to AWS's endpoint in `region` that the rest describes."""

    region: str
    url: str | None = None
    legacy: bool = False
    """STS only: the global endpoint, where botocore knows the region as one of its users."""
    ca_bundle: str | None = None
    fips: bool = False
    dual_stack: bool = False

    @property
    def authority(self) -> str:
        """Who answers, as far as that matters: a session of one region is good in all of its partition."""
        kind = f"{'global' if self.legacy else 'regional'}{' fips' if self.fips else ''}"
        return self.url or f"{partition_of_region(self.region)} {kind}"


#: Where calls go when nothing says otherwise.
AWS = Endpoint(_DEFAULT_REGION)


def endpoint_for(
    profile: Profile, service: Service, region: str | None = None, partition: str = "aws"
) -> Endpoint:
    """Where `profile` asks `service`: in `region` (default: its own, else the usual one of `partition`)."""
    named = region or profile.region or default_region(partition)
    plain = _FIPS_REGION.sub("", named)
    return Endpoint(
        plain,
        profile.service_endpoint_urls.get(service) or profile.endpoint_url,
        profile.sts_regional_endpoints == "legacy",
        profile.ca_bundle,
        bool(profile.use_fips_endpoint) or plain != named,
        bool(profile.use_dualstack_endpoint),
    )


def account_of(arn: object) -> str | None:
    """The account id in an ARN; None for anything else."""
    parts = arn.split(":") if isinstance(arn, str) else []
    return parts[4] if len(parts) > 5 and re.fullmatch("[0-9]{12}", parts[4]) else None


def partition_of(chain: Iterable[Profile]) -> str:
    """The partition that profiles of one plan are in: no ARN or role reaches into another one.

    The ARNs say it, or without any the regions.
    """
    profiles = list(chain)
    arns = (arn for profile in profiles for arn in (profile.role_arn, profile.mfa_serial) if arn)
    named = next((arn.split(":")[1] for arn in arns if arn.startswith("arn:")), None)
    regions = (profile.region for profile in profiles if profile.region)
    return named or partition_of_region(_FIPS_REGION.sub("", next(regions, _DEFAULT_REGION)))


def partition_of_region(region: str) -> str:
    """The name of a region's partition; what is unknown is in `aws`, as for botocore."""
    return next((name for name, (start, _) in _PARTITIONS.items() if region.startswith(start)), "aws")


def default_region(partition: str) -> str:
    """The region that is asked in `partition` when nothing names one."""
    return _PARTITIONS.get(partition, ("", _DEFAULT_REGION))[1]
