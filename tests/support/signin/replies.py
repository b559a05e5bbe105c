"""What a request is, and what it is answered with."""

import html
import json
import re
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Asked:
    """One HTTP request. Header names are in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def region(self) -> str | None:
        """The region in the host's name; None for a loopback endpoint, which serves all of them."""
        found = re.search(r"[a-z]{2}-[a-z]+-[0-9]", self.headers.get("host", ""))
        return found[0] if found else None

    @property
    def document(self) -> dict[str, Any]:
        """The JSON body; empty for anything else."""
        try:
            found = json.loads(self.body or b"{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class Answer:
    """One HTTP reply."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def reply(document: object, status: int = 200) -> Answer:
    """A JSON document."""
    return Answer(status, json.dumps(document).encode(), {"Content-Type": "application/json"})


def redirect(location: str) -> Answer:
    """The browser's way elsewhere."""
    return Answer(302, b"", {"Location": location})


def page(title: str, body: str) -> Answer:
    """A page for a person; `body` is HTML."""
    text = f"<!doctype html><title>{html.escape(title)}</title><h1>{html.escape(title)}</h1>{body}"
    return Answer(200, text.encode(), {"Content-Type": "text/html; charset=utf-8"})


class RefusalError(Exception):
    """An error of a service: the exception's name in the header, as AWS sends it, and the body."""

    def __init__(self, status: int, name: str, document: dict[str, str]) -> None:
        super().__init__(name)
        self.status, self.name, self.document = status, name, document
        self.headers: dict[str, str] = {}

    def answer(self) -> Answer:
        """What goes over the wire."""
        headers = {"Content-Type": "application/json", **self.headers}
        if self.name:
            headers["x-amzn-ErrorType"] = f"{self.name}:http://internal.amazon.com/coral/com.amazon.service/"
        return Answer(self.status, json.dumps(self.document).encode(), headers)


#: IAM Identity Center's OIDC errors (sso-oidc/2019-06-10): the name, its status, and the value of `error`.
_OIDC = {
    "AccessDeniedException": (400, "access_denied"),
    "AuthorizationPendingException": (400, "authorization_pending"),
    "ExpiredTokenException": (400, "expired_token"),
    "InternalServerException": (500, "server_error"),
    "InvalidClientException": (401, "invalid_client"),
    "InvalidClientMetadataException": (400, "invalid_client_metadata"),
    "InvalidGrantException": (400, "invalid_grant"),
    "InvalidRedirectUriException": (400, "invalid_redirect_uri"),
    "InvalidRequestException": (400, "invalid_request"),
    "InvalidScopeException": (400, "invalid_scope"),
    "SlowDownException": (400, "slow_down"),
    "UnauthorizedClientException": (400, "unauthorized_client"),
    "UnsupportedGrantTypeException": (400, "unsupported_grant_type"),
}

#: The portal's errors (sso/2019-06-10) and the one that is not in its model but common.
_PORTAL = {
    "ForbiddenException": 403,
    "InvalidRequestException": 400,
    "ResourceNotFoundException": 404,
    "TooManyRequestsException": 429,
    "UnauthorizedException": 401,
}

#: AWS Sign-In's errors (signin/2023-01-01) by the value of `error`.
_LOGIN = {
    "ACCESS_DENIED": (403, "AccessDeniedException"),
    "AUTHCODE_EXPIRED": (401, "AccessDeniedException"),
    "INSUFFICIENT_PERMISSIONS": (403, "AccessDeniedException"),
    "INVALID_REQUEST": (400, "ValidationException"),
    "TOKEN_EXPIRED": (401, "AccessDeniedException"),
    "USER_CREDENTIALS_CHANGED": (403, "AccessDeniedException"),
    "rate_exceeded": (429, "TooManyRequestsError"),
    "server_error": (500, "InternalServerException"),
}


def oidc_error(name: str, description: str = "") -> RefusalError:
    """An error of the OIDC service."""
    status, value = _OIDC[name]
    return RefusalError(status, name, {"error": value, "error_description": description or value})


def portal_error(name: str, message: str) -> RefusalError:
    """An error of the portal."""
    return RefusalError(_PORTAL[name], name, {"message": message})


def login_error(value: str, message: str = "") -> RefusalError:
    """An error of AWS Sign-In."""
    status, name = _LOGIN[value]
    return RefusalError(status, name, {"error": value, "message": message or value})


def malformed(service: str, problem: str) -> RefusalError:
    """What a service says to a request that its model does not allow."""
    if service == "sso-oidc":
        return oidc_error("InvalidRequestException", problem)
    return (
        portal_error("InvalidRequestException", problem)
        if service == "sso"
        else login_error("INVALID_REQUEST", problem)
    )
