"""A service's error as one line: what it is about, what the service says, what to do next.

The codes are those of the service models (sts, iam, sso, sso-oidc, signin); of an OAuth error its value counts.
"""

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Any

from shellvault.display import printable

#: The places of settings named in advice: `FILE:LINE` by key.
Places = Mapping[str, str]
NOWHERE: Places = MappingProxyType({})

_LONGEST_MESSAGE = 300

_BUSY = frozenset(
    (
        "RequestLimitExceeded",
        "SlowDownException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsError",
        "TooManyRequestsException",
        "rate_exceeded",
        "slow_down",
    )
)
_OUT_OF_ORDER = frozenset(("InternalServerException", "ServiceUnavailableException"))

#: What OAuth calls the exceptions of sso-oidc.
_VALUES = {
    "AccessDeniedException": "access_denied",
    "ExpiredTokenException": "expired_token",
    "InvalidClientException": "invalid_client",
    "InvalidClientMetadataException": "invalid_client_metadata",
    "InvalidGrantException": "invalid_grant",
    "InvalidRedirectUriException": "invalid_redirect_uri",
    "InvalidRequestException": "invalid_request",
    "InvalidScopeException": "invalid_scope",
    "UnauthorizedClientException": "unauthorized_client",
    "UnsupportedGrantTypeException": "unsupported_grant_type",
}

_OTHER_WAY = "sign in the other way, with or without --device-code"
_SIGN_IN_AGAIN = "sign in again with `shellvault signin --fresh`"
_POLICY = "correct or shorten the session policy: --policy, --policy-arn, shellvault_policy"

#: What to do about each; `{KEY}` is a setting, named with its place.
ADVICE: Mapping[str, str] = {
    "AUTHCODE_EXPIRED": "the code was too old or used already: sign in again",
    "AccessDenied": "check the user's permissions and the role's trust policy",
    "ExpiredToken": "the session is over: try again with --fresh",
    "ForbiddenException": (
        "it is not assigned to you there, or is called otherwise: correct {sso_role_name} and {sso_account_id}, or ask "
        "the portal's administrator"
    ),
    "INSUFFICIENT_PERMISSIONS": (
        "this principal may not sign in for programs: have the policy SignInLocalDevelopmentAccess attached to it"
    ),
    "INVALID_REQUEST": "check the region: a sign-in is renewed where it was made; else sign in again",
    "MalformedPolicyDocument": _POLICY,
    "PackedPolicyTooLarge": _POLICY,
    "PackedPolicyTooLargeException": _POLICY,
    "ResourceNotFoundException": "correct {sso_account_id} and {sso_role_name}",
    "TOKEN_EXPIRED": "the sign-in is over (or this machine's clock is wrong): sign in again",
    "USER_CREDENTIALS_CHANGED": "the password was changed since: sign in again",
    "UnauthorizedException": f"AWS does not take this sign-in any more: {_SIGN_IN_AGAIN}",
    "ValidationError": "correct the profile in the AWS config file",
    "access_denied": "it was refused in the browser: try again, and allow it there",
    "expired_token": "the code was not confirmed in time: sign in again",
    "invalid_client": f"AWS has forgotten that this machine was registered: {_SIGN_IN_AGAIN}",
    "invalid_client_metadata": _OTHER_WAY,
    "invalid_grant": f"the sign-in is over, or another program has used it up: {_SIGN_IN_AGAIN}",
    "invalid_redirect_uri": _OTHER_WAY,
    "invalid_request": "correct {sso_start_url} and {sso_region}: the portal's page of access keys shows both",
    "invalid_scope": "correct {sso_registration_scopes}: sso:account:access is the one for accounts and roles",
    "unauthorized_client": _OTHER_WAY,
    "unsupported_grant_type": _OTHER_WAY,
}


#: The same for a call with a role (STS API reference, errors of AssumeRole and AssumeRoleWithWebIdentity); `{token}` is
#: what gives a web identity's.
ADVICE_FOR_ROLES: Mapping[str, str] = {
    "AccessDenied": (
        "check {role_arn}, {external_id} and {mfa_serial} against the role's trust policy, and the permissions of the "
        "caller"
    ),
    "ExpiredTokenException": "the token is too old: {token} must give a new one",
    "IDPCommunicationError": "AWS cannot reach the identity provider: try again, then ask its administrator",
    "IDPRejectedClaim": "the provider does not vouch for the token: check {token}, and {role_arn}",
    "InvalidIdentityToken": "check {token}, and the provider and audience in the trust policy of {role_arn}",
}
#: The setting behind a parameter of STS that AWS names, and what to do about it.
ADVICE_FOR_PARAMETERS: Mapping[str, str] = {
    "DurationSeconds": "shorten {duration_seconds}, or give a shorter --duration",
    "ExternalId": "correct {external_id}",
    "RoleArn": "correct {role_arn}",
    "RoleSessionName": "correct {role_session_name}",
    "SerialNumber": "correct {mfa_serial}",
    "SourceIdentity": "correct {source_identity}",
    "Tags": "correct {session_tags}",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """No result: the exception's name (a number where the answer has none), the OAuth value, the text, the status."""

    code: str
    value: str = ""
    said: str = ""
    status: int = 400
    after: float | None = None
    """The seconds that the service asks to wait (Retry-After)."""

    @property
    def is_busy(self) -> bool:
        """Whether the service got too many calls."""
        return self.status == 429 or bool({self.code, self.value} & _BUSY)

    @property
    def is_passing(self) -> bool:
        """Whether a later attempt may succeed."""
        return self.is_busy or self.status >= 500 or bool({self.code, self.value} & _OUT_OF_ORDER)


def answer_of(response: Mapping[str, Any], secrets: Iterable[str | None]) -> Answer:
    """What is in a botocore ClientError's `response`; `secrets` are removed."""
    details = response.get("Error", {})
    said = response.get("error_description") or details.get("Message") or response.get("message") or ""
    metadata = response.get("ResponseMetadata", {})
    status = metadata.get("HTTPStatusCode")
    return Answer(
        one_line(str(details.get("Code", "")), ()),
        one_line(str(response.get("error") or ""), ()),
        one_line(str(said), secrets),
        status if isinstance(status, int) else 400,
        _retry_after(str(metadata.get("HTTPHeaders", {}).get("retry-after", ""))),
    )


def _retry_after(text: str) -> float | None:
    """A number of seconds, or a date (RFC 9110, 10.2.3); None for neither."""
    if text.isascii() and text.isdigit():
        return float(text[:6])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def explained(what: str, answer: Answer, places: Places = NOWHERE) -> str:
    """The line for an answer to `what`, a noun such as `the sign-in to corp`. Nothing is said twice."""
    is_anonymous = (answer.code.isdigit() or not answer.code) and not answer.value
    number = f"HTTP {answer.status}"
    said = "" if answer.said.startswith("<") or _same(answer.said, answer) else answer.said
    if answer.is_busy:
        return f"{what}: AWS is busy{_in_brackets(said)}: try again in a minute"
    if answer.is_passing:
        where = "AWS, or a proxy on the way," if is_anonymous else "AWS"
        detail = (
            ", ".join(filter(None, (number if is_anonymous else "", said))) or answer.value or answer.code
        )
        return f"{what}: {where} is out of order{_in_brackets(detail)}: try again in a minute"
    if answer.status == 407:
        return f"{what}: the proxy wants a user and a password (HTTP 407): put them into HTTPS_PROXY"
    if is_anonymous:
        return (
            f"{what}: something between here and AWS answers in its place ({', '.join(filter(None, (number, said)))}): "
            "check HTTPS_PROXY and endpoint_url, or open a browser if this network wants a sign-in"
        )
    name = answer.value or answer.code
    advice = _advice(answer, places)
    return f"AWS refused {what}: {name}{said and f': {said}'}{_in_brackets(advice)}"


def one_line(text: str, secrets: Iterable[str | None]) -> str:
    """Foreign text made safe for a message: without `secrets`, on one line, printable, at most 300 long."""
    for secret in filter(None, secrets):
        text = text.replace(secret, "****")
    return printable(" ".join(text.split()), _LONGEST_MESSAGE)


def _advice(answer: Answer, places: Places) -> str:
    if "MultiFactorAuthentication" in answer.said:
        found = "check {mfa_serial}"
    elif answer.code == "ValidationError" and (named := _parameter(answer.said)):
        found = ADVICE_FOR_PARAMETERS[named]
    elif "role_arn" in places and answer.code in ADVICE_FOR_ROLES:
        found = ADVICE_FOR_ROLES[answer.code]
    else:
        found = ADVICE.get(answer.value or answer.code) or ADVICE.get(_VALUES.get(answer.code, ""), "")
    by = "process" if "web_identity_token_process" in places else "file"
    found = found.replace("{token}", f"{{web_identity_token_{by}}}")
    return re.sub(r"\{(\w+)\}", lambda key: _placed(key[1], places), found)


def _placed(key: str, places: Places) -> str:
    return f"{key} in {places[key]}" if key in places else key


def _parameter(said: str) -> str | None:
    """The parameter that a ValidationError is about: `… at 'roleArn' failed …`, `The requested DurationSeconds …`."""
    words = {word.casefold() for word in re.findall(r"\w+", said)}
    return next((name for name in ADVICE_FOR_PARAMETERS if name.casefold() in words), None)


def _in_brackets(text: str) -> str:
    return f" ({text})" if text else ""


def _same(said: str, answer: Answer) -> bool:
    """Whether the text only repeats the code."""
    names = (answer.code, answer.code.removesuffix("Exception"), answer.value, str(answer.status))
    return _letters(said) in map(_letters, ("", *names))


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text)).lower()
