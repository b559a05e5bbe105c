"""The links of a console sign-in. Pure; see IAM User Guide, "Enable custom identity broker access to the console"."""

import json
from typing import Literal
from urllib.parse import quote, urlencode, urlsplit

from shellvault.errors import UsageError
from shellvault.loopback import is_loopback_url
from shellvault.plan.regions import host, real_region
from shellvault.sessions.model import Session

#: Seconds that AWS lets a console session last.
SHORTEST, LONGEST = 900, 43200

#: Who signs the person in, as the sign-in page shows it.
ISSUER = "shellvault"


def federation_endpoint(partition: str, region: str | None, override: str | None = None) -> str:
    """Where sign-in tokens are had, and sign-ins begin: the partition's, near the region.

    `override` is AWS_ENDPOINT_URL_SIGNIN: an emulator on this machine, since what is sent there is a session.
    Raises UsageError for one that is somewhere else, ConfigError for what is no region.
    """
    if override:
        if not (override.lower().startswith(("http:", "https:")) and is_loopback_url(override)):
            raise UsageError(
                f"AWS_ENDPOINT_URL_SIGNIN is {override!a}: the console's sign-in is AWS's own, only a loopback "
                "address can stand in for it"
            )
        return override.rstrip("/") + "/federation"
    return f"https://{host('signin', partition, region)}/federation"


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


def destination(partition: str, region: str | None, page: str | None) -> str:
    """The console page to arrive at.

    `page` is a path below the region's console (`ec2/home#Instances:`), a service's name (`s3`), or a whole
    https URL of the same partition's console. Raises UsageError for any other URL, ConfigError for what is no region.
    """
    console, real = host("console", partition, None), real_region(region, partition)
    if page and "://" in page:
        named = urlsplit(page).hostname or ""
        if not page.startswith("https://") or not (named == console or named.endswith(f".{console}")):
            raise UsageError(f"{page!a} is no page of {console}: give a path, a service or such a URL")
        return page
    if page and not page.isprintable():
        raise UsageError("the path of a console page is one line of printable text")
    path = (page or "console").strip("/")
    if "/" not in path and "#" not in path and "?" not in path:
        path = f"{path}/home"
    if real is None:
        return f"https://{console}/{path}"
    before, fragment, after = path.partition("#")
    joiner = "&" if "?" in before else "?"
    return f"https://{host('console', partition, real)}/{before}{joiner}region={quote(real)}{fragment}{after}"


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
