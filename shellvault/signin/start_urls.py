"""Start URLs of IAM Identity Center, and the redirection from a company's own address to AWS's."""

import re
from urllib.parse import urlsplit

from shellvault import network
from shellvault.display import printable
from shellvault.errors import SessionError
from shellvault.profiles.shapes import canonical_start_url as canonical
from shellvault.profiles.shapes import looks_as
from shellvault.sessions.answers import one_line

#: AWS's own hosts in every partition, as suffixes and as whole names (from the AWS CLI).
_AWS_SUFFIXES = (
    ".app.aws",
    ".portal.amazonaws.com",
    ".portal.amazonaws.com.cn",
    ".app.amazonwebservices.com.cn",
    ".portal.amazonaws.eu",
    ".api.amazonwebservices.eu",
    ".awsapps.com",
    ".awsapps.cn",
)
_AWS_HOSTS = (
    "identitycenter.amazonaws.com",
    "identitycenter.amazonaws.com.cn",
    "identitycenter.amazonaws.eu",
    "identitycenter.us-gov.amazonaws.com",
)
#: Seconds that a company's own address may take to answer.
_SECONDS = 10


def typed(text: str) -> str:
    """The start URL that a person has typed or copied from a browser. Raises ValueError that says what is wrong."""
    text = text.strip()
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
        text = f"https://{text}"
    example = "that is no start URL: it looks like https://d-1234567890.awsapps.com/start"
    try:
        start_url = canonical(text)
    except ValueError:
        raise ValueError(example) from None
    parts = urlsplit(start_url)
    if parts.scheme != "https":
        raise ValueError(f"a start URL begins with https://, not {printable(parts.scheme)}://")
    if (
        not looks_as(start_url, "url")
        or not re.search(r"[a-z0-9]\.[a-z0-9]", parts.netloc)
        or "@" in parts.netloc
    ):
        raise ValueError(example)
    # The portal is at /start; the bare host leads to it only in a browser.
    if parts.netloc.endswith((".awsapps.com", ".awsapps.cn")) and not parts.path:
        return f"{start_url}/start"
    return start_url


def region_of(start_url: str) -> str:
    """The region in the host of a start URL, "" where it names none."""
    found = re.search(r"\.([a-z]{2,5}(?:-[a-z]+)+-[0-9])\.(?:portal\.|app\.)", start_url)
    return found[1] if found else ""


def is_aws(start_url: str) -> bool:
    """Whether AWS itself answers there."""
    host = (urlsplit(start_url).hostname or "").lower()
    return host in _AWS_HOSTS or host.endswith(_AWS_SUFFIXES)


def resolved(start_url: str, ca_bundle: str | None = None) -> str:
    """The portal's address at AWS; a company's own address is followed for one redirection.

    An address without a redirection is taken as it is: AWS decides whether it is valid. Raises SessionError for one
    that is not https, or that leads to a host that is not AWS's.
    """
    plain = canonical(start_url)
    if is_aws(plain):
        return plain
    if not plain.startswith("https://"):
        raise SessionError(f"the start URL {printable(start_url)} is not https: correct sso_start_url")
    location = _redirection(plain, ca_bundle)
    if location is None:
        return plain
    target = canonical(location)
    if not target.startswith("https://") or not is_aws(target):
        raise SessionError(
            f"the start URL {printable(start_url)} leads to {one_line(target, ())}, which is not AWS: "
            "correct sso_start_url"
        )
    return target


def _redirection(url: str, ca_bundle: str | None) -> str | None:
    # Imported here: only a company's own address needs them.
    import http.client
    import ssl
    import urllib.error
    import urllib.request

    class Stay(urllib.request.HTTPRedirectHandler):
        """Follows no redirection, so that the first answer is returned."""

        def redirect_request(self, *_: object) -> None:
            return None

    opener = urllib.request.build_opener(
        Stay, urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=ca_bundle))
    )
    for method in ("HEAD", "GET"):
        try:
            with opener.open(urllib.request.Request(url, method=method), timeout=_SECONDS):  # noqa: S310 - https
                return None
        except urllib.error.HTTPError as error:
            if error.code in (405, 501):
                continue
            return error.headers.get("Location") if 300 <= error.code < 400 else None
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise SessionError(
                f"the start URL {printable(url)} cannot be reached ({network.reason(error)}): "
                "check network, proxy and ca_bundle"
            ) from None
    return None
