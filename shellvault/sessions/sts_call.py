"""A call to STS without botocore, whose client takes longer to load than the whole first command of a day.

It serves what most sessions need: AWS's regional endpoints, and a plain URL, without a proxy. For all else there is
`clients`. It sends and believes what botocore does: tests hold the host, the signature, the reading of replies and the
repetition of calls against it. Sources: the AWS query protocol; Signature Version 4 (IAM User Guide); botocore's
standard retry mode.
"""

import hashlib
import hmac
import os
import random
import re
import ssl
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPSConnection, IncompleteRead
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from shellvault import __version__
from shellvault.network import CONNECT_SECONDS, READ_SECONDS, REPLY_LIMIT, EndlessReplyError
from shellvault.plan import Endpoint
from shellvault.plan.regions import PARTITIONS, partition_of_region
from shellvault.sessions import sts_reply
from shellvault.waiting import waits_for

if TYPE_CHECKING:
    from shellvault.sessions.model import Session

#: A URL that says nothing but where the server is.
_PLAIN_URL = re.compile(
    r"(https?)://([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::([0-9]{1,5}))?/?", re.ASCII
)

_VERSION = "2011-06-15"
_FORM = "application/x-www-form-urlencoded; charset=utf-8"

#: Answers after which the call is repeated: by their status, and by the name of the error.
_PASSING = frozenset((429, 500, 502, 503, 504))
_PASSING_NAMES = frozenset(
    (
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "IDPCommunicationError",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    )
)


class NewConnectionError(OSError):
    """No connection came about: nothing was sent."""


class RefusalError(Exception):
    """AWS's answer is an error, `response` as in botocore's ClientError."""

    def __init__(self, response: dict[str, Any]) -> None:
        super().__init__()
        self.response = response


class Server(NamedTuple):
    """What is asked."""

    host: str
    port: int
    is_tls: bool

    @property
    def name(self) -> str:
        """The Host header: the port where it is not the usual one (RFC 9110, 7.2)."""
        return self.host if self.port == (443 if self.is_tls else 80) else f"{self.host}:{self.port}"


def serves(endpoint: Endpoint) -> bool:
    """Whether this module asks that endpoint as botocore does."""
    is_special = endpoint.fips or endpoint.dual_stack or endpoint.legacy or endpoint.ca_bundle
    if sys.platform != "linux" or is_special:
        # Elsewhere the system may have a proxy of its own.
        return False
    is_plain = is_plain_url(endpoint.url) if endpoint.url else not endpoint.region.endswith("-global")
    return is_plain and (endpoint.is_direct or not has_proxy(os.environ))


def is_plain_url(url: str) -> bool:
    """Whether a URL is a scheme, a host and perhaps a port."""
    found = _PLAIN_URL.fullmatch(url)
    return found is not None and int(found[3] or 1) in range(1, 65536)


def has_proxy(environment: Mapping[str, str]) -> bool:
    """Whether a proxy may be meant for AWS (`urllib.request.getproxies`)."""
    names = (name.lower() for name, value in environment.items() if value)
    return any(name.endswith("_proxy") and name != "no_proxy" for name in names)


def server_of(endpoint: Endpoint) -> Server:
    """Where the calls for an endpoint go that `serves` allows."""
    if endpoint.url is None:
        suffix = PARTITIONS[partition_of_region(endpoint.region)].api
        return Server(f"sts.{endpoint.region}.{suffix}", 443, is_tls=True)
    found = _PLAIN_URL.fullmatch(endpoint.url)
    assert found  # noqa: S101 - see `serves`
    is_tls = found[1] == "https"
    return Server(found[2], int(found[3] or (443 if is_tls else 80)), is_tls)


def ask(
    operation: str, parameters: Mapping[str, Any], endpoint: Endpoint, source: "Session | None", attempts: int
) -> Mapping[str, Any]:
    """The result of an operation (its name in the API), signed by `source`, with `attempts` where AWS is busy.

    Raises RefusalError; for an invalid answer ResponseParserError, LookupError and ValueError. Otherwise OSError and
    http.client.HTTPException; NewConnectionError or ssl.SSLError where nothing was sent.
    """
    server = server_of(endpoint)
    body = form(operation, parameters)
    while True:
        attempts -= 1
        waits_for(f"AWS STS at {server.host}")
        try:
            status, headers, text = _exchange(server, body, endpoint.region, source)
        except (OSError, HTTPException, EndlessReplyError):
            if not attempts:
                raise
        else:
            if status < 301:
                return sts_reply.result(operation, text)
            refused = sts_reply.refusal(status, headers, text)
            is_passing = status in _PASSING or refused["Error"].get("Code") in _PASSING_NAMES
            if not (attempts and is_passing):
                raise RefusalError(refused)
        time.sleep(random.random())  # noqa: S311 - it only keeps callers apart


def form(operation: str, parameters: Mapping[str, Any]) -> bytes:
    """The body of a request: lists and structures become numbered and dotted names."""
    fields = {"Action": operation, "Version": _VERSION}
    for name, value in parameters.items():
        fields |= _flat(name, value)
    return urlencode(fields).encode()


def _flat(name: str, value: Any) -> dict[str, str]:
    parts: dict[str, Any]
    if isinstance(value, list):
        if not value:
            return {name: ""}
        parts = {f"{name}.member.{number}": each for number, each in enumerate(value, 1)}
    elif isinstance(value, dict):
        parts = {f"{name}.{key}": each for key, each in value.items()}
    else:
        return {name: str(value)}
    return {key: text for part, each in parts.items() for key, text in _flat(part, each).items()}


def signed(host: str, body: bytes, region: str, source: "Session", now: datetime) -> dict[str, str]:
    """The headers that sign a form for STS, by Signature Version 4."""
    at = now.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{at[:8]}/{region}/sts/aws4_request"
    headers = {"content-type": _FORM, "host": host, "x-amz-date": at}
    if source.session_token:
        headers["x-amz-security-token"] = source.session_token
    names = ";".join(headers)
    lines = [f"{name}:{' '.join(value.split())}" for name, value in headers.items()]
    canonical = "\n".join(("POST", "/", "", *lines, "", names, hashlib.sha256(body).hexdigest()))
    key = f"AWS4{source.secret_access_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    to_sign = f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(key, to_sign.encode(), "sha256").hexdigest()
    credential = f"Credential={source.access_key_id}/{scope}"
    headers["authorization"] = f"AWS4-HMAC-SHA256 {credential}, SignedHeaders={names}, Signature={signature}"
    return headers


def _exchange(
    server: Server, body: bytes, region: str, source: "Session | None"
) -> tuple[int, dict[str, str], bytes]:
    """Sends a form. Returns status, headers and body of the answer."""
    headers = {"content-type": _FORM, "host": server.name}
    if source:
        headers = signed(server.name, body, region, source, datetime.now(UTC))
    headers["user-agent"] = f"shellvault/{__version__}"
    connection = _connection(server)
    try:
        try:
            connection.connect()
        except ssl.SSLError:
            raise
        except OSError as error:
            raise NewConnectionError from error
        connection.sock.settimeout(READ_SECONDS)
        connection.request("POST", "/", body, headers)
        answer = connection.getresponse()
        text = answer.read(REPLY_LIMIT + 1)
        if len(text) > REPLY_LIMIT:
            raise EndlessReplyError(f"a reply of more than {REPLY_LIMIT} bytes")
        if answer.length:
            raise IncompleteRead(text, answer.length)
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, text
    finally:
        connection.close()


def _connection(server: Server) -> HTTPConnection:
    if server.is_tls:
        return HTTPSConnection(server.host, server.port, timeout=CONNECT_SECONDS, context=trust())
    return HTTPConnection(server.host, server.port, timeout=CONNECT_SECONDS)


@cache
def trust() -> ssl.SSLContext:
    """The certificates that botocore trusts: those of certifi where it is installed, else its own."""
    bundle: str | None = None
    if find_spec("certifi"):
        import certifi

        bundle = certifi.where()
    elif (botocore := find_spec("botocore")) and botocore.origin:
        bundle = str(Path(botocore.origin).with_name("cacert.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    context.load_verify_locations(bundle)
    return context
