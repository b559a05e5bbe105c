"""The links of a console sign-in. Pure; see IAM User Guide, "Enable custom identity broker access to the console"."""

import json
from typing import Literal
from urllib.parse import quote, urlencode, urlsplit

from shellvault.errors import UsageError
from shellvault.loopback import is_loopback_url
from shellvault.plan.regions import host, real_region
from shellvault.sessions.model import Session

#: Shortest and longest console session in seconds.
SHORTEST, LONGEST = 900, 43200

#: The issuer of the sign-in, as the sign-in page shows it.
ISSUER = "shellvault"


def federation_endpoint(partition: str, region: str | None, override: str | None = None) -> str:
    """The endpoint for sign-in tokens and sign-ins, in the region's partition.

    `override` is AWS_ENDPOINT_URL_SIGNIN: only an emulator on this machine, because it receives a session.
    Raises UsageError for any other host, ConfigError for a bad region.
    """
    if override:
        if not (override.lower().startswith(("http:", "https:")) and is_loopback_url(override)):
            raise UsageError(
                f"AWS_ENDPOINT_URL_SIGNIN is {override!a}: the console sign-in goes to AWS; use a loopback "
                "address or unset it"
            )
        return override.rstrip("/") + "/federation"
    return f"https://{host('signin', partition, region)}/federation"


def token_request(endpoint: str, session: Session, seconds: int | None) -> str:
    """The URL that requests a sign-in token. `seconds`: length of the console session, None: AWS's default."""
    credentials = {
        "sessionId": session.access_key_id,
        "sessionKey": session.secret_access_key,
        "sessionToken": session.session_token,
    }
    fields = {"Action": "getSigninToken", "Session": json.dumps(credentials, separators=(",", ":"))}
    if seconds is not None:
        fields["SessionDuration"] = str(seconds)
    return f"{endpoint}?{urlencode(fields, quote_via=quote)}"


def destination(partition: str, region: str | None, page: str | None) -> str:
    """The URL of the console page to open.

    `page` is a path in the region's console (`ec2/home#Instances:`), a service's name (`s3`), or an https URL of the
    same partition's console. Raises UsageError for any other URL, ConfigError for a bad region.
    """
    console, real = host("console", partition, None), real_region(region, partition)
    if page and "://" in page:
        named = urlsplit(page).hostname or ""
        if not page.startswith("https://") or not (named == console or named.endswith(f".{console}")):
            raise UsageError(f"{page!a} is not a page of {console}: give a path, a service or a URL there")
        return page
    if page and not page.isprintable():
        raise UsageError("the path of a console page must be one line of printable text")
    path = (page or "console").strip("/")
    if "/" not in path and "#" not in path and "?" not in path:
        path = f"{path}/home"
    if real is None:
        return f"https://{console}/{path}"
    before, fragment, after = path.partition("#")
    joiner = "&" if "?" in before else "?"
    return f"https://{host('console', partition, real)}/{before}{joiner}region={quote(real)}{fragment}{after}"


def sign_in_link(endpoint: str, token: str, destination: str) -> str:
    """The link that signs a browser in: a secret for the 15 minutes in which AWS accepts its token."""
    fields = {"Action": "login", "Issuer": ISSUER, "Destination": destination, "SigninToken": token}
    return f"{endpoint}?{urlencode(fields, quote_via=quote)}"


def logged_out_first(endpoint: str, link: str) -> str:
    """A link that ends the browser's present console session and then follows `link`.

    It works only in the partition `aws`, and not if the console's multi-session is on.
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
    """The length of a console session. Raises UsageError outside AWS's limits."""
    if not SHORTEST <= seconds <= LONGEST:
        raise UsageError("a console session lasts 15m to 12h: change --duration")
    return seconds
