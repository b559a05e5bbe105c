"""A limit for replies of AWS, or of a server in its place: botocore itself reads without limit."""

from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.exceptions import HTTPClientError

from shellvault.network import REPLY_LIMIT, EndlessReplyError

_CHUNK = 64 * 1024


def limit_replies() -> None:
    """Makes all botocore clients in this process read no reply beyond REPLY_LIMIT.

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
            if len(body) > REPLY_LIMIT:
                response.raw.close()
                raise EndlessReplyError(f"a reply of more than {REPLY_LIMIT} bytes")
        response._content = bytes(body)
    found: bytes = response._content
    return found
