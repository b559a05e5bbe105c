"""Where a call goes: the settings that decide botocore's choice of host, and what they mean for a cache."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from shellvault.plan.regions import checked, default_region, partition_of_region, without_fips
from shellvault.profiles.model import Profile, Service


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a call goes: to `url`, else to AWS's endpoint in `region` that the other fields describe.

    Raises ConfigError for an invalid region, from any source: a profile, a variable, a file of tokens.
    """

    region: str
    url: str | None = None
    legacy: bool = False
    """STS only: the global endpoint, in regions for which botocore uses it."""
    ca_bundle: str | None = None
    fips: bool = False
    dual_stack: bool = False
    is_direct: bool = False
    """Whether to ignore proxies of the environment."""

    def __post_init__(self) -> None:
        """Checks the region, which becomes part of a host name."""
        checked(self.region)

    @property
    def authority(self) -> str:
        """What distinguishes the services for a cache: one region's session is valid in its whole partition."""
        kind = f"{'global' if self.legacy else 'regional'}{' fips' if self.fips else ''}"
        return self.url or f"{partition_of_region(self.region)} {kind}"


#: Where calls go by default.
AWS = Endpoint(default_region("aws"))


def endpoint_for(
    profile: Profile, service: Service, region: str | None = None, partition: str = "aws"
) -> Endpoint:
    """Where `profile` asks `service`: in `region` (default: its own, else the usual one of `partition`)."""
    named = region or profile.region or default_region(partition)
    plain = without_fips(named)
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


def partition_of(chain: Iterable[Profile]) -> str | None:
    """The partition of all profiles of a plan: no ARN or role reaches into another partition.

    Taken from the ARNs, else from the portal's region, else from the profile's. None without any of them.
    """
    profiles = list(chain)
    arns = [arn for each in profiles for arn in (each.role_arn, each.mfa_serial, each.login_session) if arn]
    named = next((arn.split(":")[1] for arn in arns if arn.startswith("arn:")), None)
    regions = [each.sso.region for each in profiles if each.sso]
    regions += [each.region for each in profiles if each.region]
    return named or next((partition_of_region(region) for region in regions), None)
