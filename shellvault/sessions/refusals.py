"""Why AWS refused a call, as one line that says what to do next."""

from collections.abc import Iterable
from typing import Literal

from shellvault.display import printable
from shellvault.errors import SessionError

#: What can be done about a refusal without reading its message.
Reason = Literal["wrong-code", "rejected-credentials", "no-such-entity", "other"]

_REJECTED = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "UnauthorizedException",
    "UnrecognizedClientException",
}
_CLOCK = {"RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture"}
_OLD_OR_YOUNG = ("Signature expired", "Signature not yet current")
_SIGNATURE = {"SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature"}
_LONGEST_MESSAGE = 300


class UnsentError(SessionError):
    """AWS has not got the request: what it would have used up, such as an MFA code, is good still."""


class RefusedError(SessionError):
    """AWS answered, and the answer is no. `reason` tells which noes can be turned into a yes."""

    def __init__(self, message: str, reason: Reason = "other") -> None:
        super().__init__(message)
        self.reason = reason


def refusal(what: str, code: str, message: str, secrets: Iterable[str | None]) -> RefusedError:
    """The error for AWS's `code` and `message` to the call described by `what`; `secrets` never show."""
    if "invalid MFA one time pass code" in message:
        return RefusedError(f"AWS did not accept the MFA code for {what}: try the next one", "wrong-code")
    if code in ("RegionDisabled", "RegionDisabledException"):
        return RefusedError(
            f"AWS has STS switched off in the region that {what} asks: choose another one (--region), or switch it on "
            "in the account settings of IAM"
        )
    if code in _CLOCK or (code in _SIGNATURE and message.startswith(_OLD_OR_YOUNG)):
        return RefusedError(f"AWS finds the time of {what} wrong: set this machine's clock, then try again")
    if code in _SIGNATURE:
        # The message of this one can hold the request itself, headers included.
        return RefusedError(f"AWS does not accept the secret key for {what}: store the keys again with `add`")
    if code in _REJECTED:
        return RefusedError(
            f"AWS does not know the credentials for {what} ({code}): if they were deleted or made inactive, "
            "store new ones with `shellvault add`",
            "rejected-credentials",
        )
    return RefusedError(
        f"AWS refused {what}: {one_line(code, ())}: {one_line(message, secrets)}{_advice(code, message)}",
        "no-such-entity" if code == "NoSuchEntity" else "other",
    )


def _advice(code: str, message: str) -> str:
    if "MultiFactorAuthentication" in message:
        return " (check mfa_serial in the AWS config file)"
    if code == "ForbiddenException":
        return " (check sso_account_id and sso_role_name, and that this role is assigned to you)"
    if code == "AccessDenied":
        return " (check the user's permissions and the role's trust policy)"
    if code == "ValidationError":
        return " (correct the profile in the AWS config file)"
    if code in ("MalformedPolicyDocument", "PackedPolicyTooLarge", "PackedPolicyTooLargeException"):
        return " (correct or shorten the session policy: --policy, --policy-arn, shellvault_policy)"
    if code in ("Throttling", "ThrottlingException", "RequestLimitExceeded"):
        return " (wait a little, then try again)"
    return ""


def one_line(text: str, secrets: Iterable[str | None]) -> str:
    """Foreign text fit for a message: without `secrets`, on one line, printable, at most 300 long."""
    for secret in filter(None, secrets):
        text = text.replace(secret, "****")
    return printable(" ".join(text.split()), _LONGEST_MESSAGE)
