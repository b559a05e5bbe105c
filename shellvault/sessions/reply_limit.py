"""A limit for replies of AWS, or of a server in its place: botocore itself reads without limit."""

from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.exceptions import HTTPClientError

#: Bytes of a reply's body. The longest expected ones (a list of access keys, an SSO role's session) have 100 KiB.
LIMIT = 4 * 1024 * 1024
_CHUNK = 64 * 1024


class EndlessReplyError(Exception):
    """A reply has more than LIMIT bytes; the rest has not been read."""


def limit_replies() -> None:
    """Makes all botocore clients in this process read no reply beyond LIMIT.

    Every reader of a body goes through this one property; a client has no setting for it.
    """
    AWSResponse.content = property(_content)  # type: ignore[assignment, method-assign]


def is_endless(error: HTTPClientError) -> bool:
    """Whether this botocore error wraps ours."""
    return isinstance(error.kwargs.get("error"), EndlessReplyError)


def _content(response: Any) -> bytes:
    if response._content is None:
        body = bytearray()
        for chunk in response.raw.stream(_CHUNK):
            body += chunk
            if len(body) > LIMIT:
                response.raw.close()
                raise EndlessReplyError(f"a reply of more than {LIMIT} bytes")
        response._content = bytes(body)
    found: bytes = response._content
    return found
