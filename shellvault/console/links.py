"""The links of a console sign-in. Pure; see IAM User Guide, "Enable custom identity broker access to the console"."""

import ipaddress
import json
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, urlencode, urlsplit

from shellvault.errors import UsageError
from shellvault.sessions.model import Session

#: Seconds that AWS lets a console session last.
SHORTEST, LONGEST = 900, 43200

#: Who signs the person in, as the sign-in page shows it.
ISSUER = "shellvault"


@dataclass(frozen=True, slots=True)
class Partition:
    """The hosts of one partition's console (AWS General Reference; the SDKs' partitions file)."""

    signin: str
    console: str
    default_region: str


PARTITIONS = {
    "aws": Partition("signin.aws.amazon.com", "console.aws.amazon.com", "us-east-1"),
    "aws-cn": Partition("signin.amazonaws.cn", "console.amazonaws.cn", "cn-north-1"),
    "aws-us-gov": Partition("signin.amazonaws-us-gov.com", "console.amazonaws-us-gov.com", "us-gov-west-1"),
    "aws-eusc": Partition("signin.amazonaws-eusc.eu", "console.amazonaws-eusc.eu", "eusc-de-east-1"),
    "aws-iso": Partition("signin.c2shome.ic.gov", "console.c2shome.ic.gov", "us-iso-east-1"),
    "aws-iso-b": Partition("signin.sc2shome.sgov.gov", "console.sc2shome.sgov.gov", "us-isob-east-1"),
    "aws-iso-e": Partition("signin.csphome.adc-e.uk", "console.csphome.adc-e.uk", "eu-isoe-west-1"),
    "aws-iso-f": Partition("signin.csphome.hci.ic.gov", "console.csphome.hci.ic.gov", "us-isof-south-1"),
}

#: Which regions lie in a partition other than `aws`, by how their names begin.
_PREFIXES = {
    "cn-": "aws-cn",
    "us-gov-": "aws-us-gov",
    "eusc-": "aws-eusc",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "eu-isoe-": "aws-iso-e",
    "us-isof-": "aws-iso-f",
}


def partition_of(region: str | None) -> str:
    """The partition that a region lies in."""
    return next((name for prefix, name in _PREFIXES.items() if (region or "").startswith(prefix)), "aws")


def federation_endpoint(region: str | None, override: str | None = None) -> str:
    """Where sign-in tokens are had, and sign-ins begin: the partition's, near the region.

    `override` is AWS_ENDPOINT_URL_SIGNIN: an emulator on this machine, since what is sent there is a session.
    Raises UsageError for one that is somewhere else.
    """
    if override:
        if not _is_loopback(override):
            raise UsageError(
                f"AWS_ENDPOINT_URL_SIGNIN is {override!a}: the console's sign-in is AWS's own, only a loopback "
                "address can stand in for it"
            )
        return override.rstrip("/") + "/federation"
    name = partition_of(region)
    host = PARTITIONS[name].signin
    # Only the first partition has a federation endpoint in every region.
    return (
        f"https://{region or PARTITIONS[name].default_region}.{host}/federation"
        if name == "aws"
        else f"https://{host}/federation"
    )


def token_request(endpoint: str, session: Session, seconds: int | None) -> str:
    """The request for a sign-in token. `seconds`: how long the console session is to last, None: AWS's default."""
    credentials = {
        "sessionId": session.access_key_id,
        "sessionKey": session.secret_access_key,
        "sessionToken": session.session_token,
    }
    fields = {"Action": "getSigninToken", "Session": json.dumps(credentials, separators=(",", ":"))}
    if seconds is not None:
        fields["SessionDuration"] = str(seconds)
    return f"{endpoint}?{urlencode(fields, quote_via=quote)}"


def destination(region: str | None, page: str | None) -> str:
    """The console page to arrive at.

    `page` is a path below the region's console (`ec2/home#Instances:`), a service's name (`s3`), or a whole
    https URL of the same partition's console. Raises UsageError for any other URL.
    """
    partition = PARTITIONS[partition_of(region)]
    if page and "://" in page:
        host = urlsplit(page).hostname or ""
        if not page.startswith("https://") or not (
            host == partition.console or host.endswith(f".{partition.console}")
        ):
            raise UsageError(
                f"{page!a} is no page of {partition.console}: give a path, a service or such a URL"
            )
        return page
    if page and not page.isprintable():
        raise UsageError("the path of a console page is one line of printable text")
    path = (page or "console").strip("/")
    if "/" not in path and "#" not in path and "?" not in path:
        path = f"{path}/home"
    if region is None:
        return f"https://{partition.console}/{path}"
    before, fragment, after = path.partition("#")
    joiner = "&" if "?" in before else "?"
    return f"https://{region}.{partition.console}/{before}{joiner}region={quote(region)}{fragment}{after}"


def sign_in_link(endpoint: str, token: str, destination: str) -> str:
    """The link that signs a browser in; it is a secret for the 15 minutes in which AWS takes its token."""
    fields = {"Action": "login", "Issuer": ISSUER, "Destination": destination, "SigninToken": token}
    return f"{endpoint}?{urlencode(fields, quote_via=quote)}"


def logged_out_first(endpoint: str, link: str) -> str:
    """A link that ends the browser's present console session and then follows `link`.

    AWS has it in its first partition alone, and not where the console's multi-session is on.
    """
    return (
        endpoint.removesuffix("federation")
        + "oauth?"
        + urlencode({"Action": "logout", "redirect_uri": link}, quote_via=quote)
    )


def container_link(link: str, name: str, style: Literal["container"] = "container") -> str:
    """The link in a Firefox container of this name, for the extension "Open external links in a container"."""
    return f"ext+{style}:" + urlencode({"name": name, "url": link}, quote_via=quote)


def checked_seconds(seconds: int) -> int:
    """The length of a console session. Raises UsageError outside of what AWS gives."""
    if not SHORTEST <= seconds <= LONGEST:
        raise UsageError("a console session lasts 15m to 12h: change --duration")
    return seconds


def _is_loopback(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        return parts.scheme in ("http", "https") and (
            host == "localhost" or ipaddress.ip_address(host).is_loopback
        )
    except ValueError:
        return False
