"""Asks AWS's federation endpoint for a sign-in token."""

import http.client
import json
import re
import ssl
import urllib.error
import urllib.request
from typing import Any

from shellvault import network
from shellvault.console import links
from shellvault.deadline import within
from shellvault.errors import SessionError
from shellvault.sessions.model import Session

#: Seconds for the whole exchange and for a silence in it, and most bytes of the reply.
DEADLINE, SILENCE, LIMIT = 12.0, 8.0, 65536

_TOKEN = re.compile(r"[A-Za-z0-9_\-.~+/=%]{8,8192}")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The request holds a session, so no redirect is followed."""

    def redirect_request(self, *_: Any) -> None:
        """See HTTPRedirectHandler: None refuses the redirect."""


def signin_token(endpoint: str, session: Session, seconds: int | None, ca_bundle: str | None = None) -> str:
    """A token for one sign-in within 15 minutes; `seconds` as in `links.token_request`.

    Uses the proxies of the environment. Raises SessionError, which never quotes the request: it holds the session.
    """
    if session.session_token is None:
        raise SessionError(
            "keys without a session token cannot sign in to the console: leave out --no-session, or use a role"
        )
    try:
        status, body = within(
            DEADLINE, lambda: _get(links.token_request(endpoint, session, seconds), ca_bundle)
        )
    except (OSError, ValueError, http.client.HTTPException) as error:
        host = endpoint.split("/")[2]
        raise SessionError(
            f"{host} cannot be reached ({network.reason(error)}): check network and proxy"
        ) from None
    if status != 200:
        raise SessionError(_refusal(status, seconds))
    try:
        token = json.loads(body).get("SigninToken")
    except (ValueError, AttributeError):
        token = None
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise SessionError("AWS gave no sign-in token for the console: try again")
    return token


def _get(url: str, ca_bundle: str | None) -> tuple[int, bytes]:
    from botocore.httpsession import get_cert_path

    context = ssl.create_default_context(cafile=ca_bundle or get_cert_path(True))
    opener = urllib.request.build_opener(_NoRedirect, urllib.request.HTTPSHandler(context=context))
    # `links` makes only https URLs and URLs of this machine.
    request = urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310
    try:
        with opener.open(request, timeout=SILENCE) as reply:
            return reply.status, reply.read(LIMIT)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, b""


def _refusal(status: int, seconds: int | None) -> str:
    if status == 400 and seconds is not None:
        return (
            "AWS refused a console session of that length (400): it exceeds the role's maximum; "
            "leave out --duration"
        )
    if status in (400, 401, 403):
        return (
            f"AWS refused the console sign-in ({status}): the session may have expired or been revoked; "
            "try again with --fresh"
        )
    return f"AWS's console sign-in failed (HTTP {status}): try again later"
