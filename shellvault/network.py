"""Network errors in plain words: a person never sees the messages of Python's libraries."""

import errno
import http.client
import socket
import ssl
from collections.abc import Iterator

#: Seconds for a connection to AWS, and for each piece of its answer.
CONNECT_SECONDS, READ_SECONDS = 4, 8

#: Bytes of a reply's body. The longest expected ones (a list of access keys, an SSO role's session) have 100 KiB.
REPLY_LIMIT = 4 * 1024 * 1024

#: What is said of an error of the system's, where that is plainer than its own words.
_PLAIN = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "the connection was closed",
    errno.EPIPE: "the connection was closed",
    errno.ENETUNREACH: "the network cannot be reached",
    errno.EHOSTUNREACH: "there is no way to that machine",
    errno.ETIMEDOUT: "no answer in time",
}

#: Class names of urllib3, botocore and requests, which are imported where they are used; the first that fits counts.
_NAMED = (
    ("NameResolutionError", "its name is not known"),
    ("EndlessReplyError", "it answers without end"),
    ("ConnectTimeoutError", "no answer in time"),
    ("ReadTimeoutError", "no answer in time"),
    ("ConnectTimeout", "no answer in time"),
    ("ReadTimeout", "no answer in time"),
    ("ProtocolError", "the connection was closed"),
    ("ConnectionClosedError", "the connection was closed"),
    ("InvalidHeader", "what answers is no web server"),
    ("EndpointConnectionError", "no connection"),
)

#: What only a connection that never came about raises.
_BEFORE_SENDING = ("NewConnectionError", "NameResolutionError", "ConnectTimeoutError", "ConnectTimeout")


class EndlessReplyError(Exception):
    """A reply has more than REPLY_LIMIT bytes; the rest has not been read."""


def reason(error: BaseException) -> str:
    """Why a server could not be asked, as a person would say it; nothing of a request or a reply is quoted."""
    chain = list(_chain(error))
    proxy = "the proxy: " if any("Proxy" in type(each).__name__ for each in chain) else ""
    return f"{proxy}{_reason(chain)}"


def is_cause(error: BaseException) -> bool:
    """Whether the network is behind an error, rather than what a server has answered."""
    kinds = (OSError, http.client.HTTPException)
    named = {name for name, _ in _NAMED}
    return any(isinstance(each, kinds) or type(each).__name__ in named for each in _chain(error))


def was_sent(error: BaseException) -> bool:
    """Whether the request may have reached the server before this error."""
    chain = list(_chain(error))
    never = (socket.gaierror, ConnectionRefusedError, ssl.SSLCertVerificationError)
    return not any(isinstance(each, never) or type(each).__name__ in _BEFORE_SENDING for each in chain)


def _reason(chain: list[BaseException]) -> str:
    for each in chain:
        if isinstance(each, socket.gaierror):
            return "its name is not known"
        if isinstance(each, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {each.verify_message}"
        if isinstance(each, ssl.SSLError):
            return "no TLS connection could be made"
        if isinstance(each, OSError) and each.errno in _PLAIN:
            return _PLAIN[each.errno]
        if isinstance(each, ConnectionResetError):
            return _PLAIN[errno.ECONNRESET]
    if any(isinstance(each, TimeoutError) for each in chain):
        return "no answer in time"
    if any(isinstance(each, http.client.HTTPException) for each in chain):
        return "what answers is no web server"
    names = {kind.__name__ for each in chain for kind in type(each).__mro__}
    known = next((words for name, words in _NAMED if name in names), None)
    said = next((each.strerror for each in chain if isinstance(each, OSError) and each.strerror), None)
    return known or (said[:1].lower() + said[1:] if said else "the connection failed")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and all that it wraps: each library keeps the cause in another place."""
    seen: list[BaseException] = []
    left: list[object] = [error]
    while left:
        each = left.pop(0)
        if not isinstance(each, BaseException) or any(each is known for known in seen):
            continue
        seen.append(each)
        yield each
        kwargs = getattr(each, "kwargs", None)
        inner = kwargs.get("error") if isinstance(kwargs, dict) else None
        left += [each.__cause__, each.__context__, getattr(each, "reason", None), inner, *each.args]
