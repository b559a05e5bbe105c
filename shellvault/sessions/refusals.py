"""Why AWS refused a call, as one line that says what to do next."""

from typing import Literal

from shellvault.errors import SessionError
from shellvault.sessions.answers import NOWHERE, Answer, Places, explained

#: Kinds of refusals that callers handle without reading the message.
Reason = Literal["wrong-code", "rejected-credentials", "no-such-entity", "denied", "too-large", "other"]

_REJECTED = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
}
_CLOCK = {"RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture"}
_OLD_OR_YOUNG = ("Signature expired", "Signature not yet current")
_SIGNATURE = {"SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature"}


class UnreachableError(SessionError):
    """AWS did not answer, or answered: later."""


class BusyError(UnreachableError):
    """AWS answered: later."""

    def __init__(self, what: str, answer: Answer) -> None:
        super().__init__(explained(what, answer))
        self.answer = answer


class UnsentError(UnreachableError):
    """The request did not reach AWS: what it would have used up, such as an MFA code, is still usable."""


class RefusedError(SessionError):
    """AWS refused. `reason` says which refusals the caller can fix."""

    def __init__(self, message: str, reason: Reason = "other") -> None:
        super().__init__(message)
        self.reason = reason


def refusal(what: str, answer: Answer, places: Places = NOWHERE) -> RefusedError:
    """The error for an answer to the call described by `what`."""
    code, said = answer.code, answer.said
    if "invalid MFA one time pass code" in said:
        return RefusedError(f"AWS did not accept the MFA code for {what}: try the next one", "wrong-code")
    if code in ("RegionDisabled", "RegionDisabledException"):
        return RefusedError(
            f"AWS has STS switched off in the region that {what} asks: choose another one (--region), or switch it on "
            "in the account settings of IAM"
        )
    if code in _CLOCK or (code in _SIGNATURE and said.startswith(_OLD_OR_YOUNG)):
        return RefusedError(f"AWS finds the time of {what} wrong: set this machine's clock, then try again")
    if code in _SIGNATURE:
        # The message of this error can contain the request, headers included.
        return RefusedError(f"AWS does not accept the secret key for {what}: store the keys again with `add`")
    if code in _REJECTED and not any(key.startswith("web_identity_") for key in places):
        return RefusedError(
            f"AWS does not know the credentials for {what} ({code}): if they were deleted or made inactive, "
            "store new ones with `shellvault add`",
            "rejected-credentials",
        )
    reasons: dict[str, Reason] = {
        "AccessDenied": "denied",
        "AccessDeniedException": "denied",
        "NoSuchEntity": "no-such-entity",
        "PackedPolicyTooLarge": "too-large",
        "PackedPolicyTooLargeException": "too-large",
        "UnauthorizedException": "rejected-credentials",
    }
    return RefusedError(explained(what, answer, places), reasons.get(code, "other"))
