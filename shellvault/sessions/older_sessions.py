"""Ends sessions as AWS does: the role denies all that were issued before a time.

It is the policy of the console's "Revoke active sessions" (IAM User Guide, "Revoke IAM role temporary security
credentials"): it replaces itself, and new sessions are free of it.
"""

import json
import time

from shellvault.display import printable
from shellvault.errors import UsageError
from shellvault.plan import endpoint_for
from shellvault.profiles.model import Profile
from shellvault.sessions.calls import invoke
from shellvault.sessions.model import Session

POLICY = "AWSRevokeOlderSessions"

#: Roles made by IAM Identity Center: only it may change them.
_RESERVED = "/aws-reserved/"


def checked_role(profile: Profile) -> str:
    """The ARN of the profile's role. Raises UsageError if a policy cannot end its sessions."""
    name = printable(profile.name)
    if profile.sso and not profile.role_arn:
        raise UsageError(
            f"the role of {name} belongs to IAM Identity Center, which nobody else can change: end its sessions there"
        )
    if not profile.role_arn:
        raise UsageError(
            f"{name} has no role: `shellvault rotate {name}` makes its keys void, and their sessions too"
        )
    if _RESERVED in profile.role_arn:
        raise UsageError(
            f"{printable(profile.role_arn)} belongs to IAM Identity Center: end its sessions there"
        )
    return profile.role_arn


def deny(profile: Profile, role_arn: str, session: Session) -> None:
    """Has the role deny every session that was issued before now; `session` may iam:PutRolePolicy.

    `profile` says where the call goes. Raises SessionError, and RefusedError when AWS refuses.
    """
    condition = {"DateLessThan": {"aws:TokenIssueTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}}
    statement = {"Effect": "Deny", "Action": ["*"], "Resource": ["*"], "Condition": condition}
    parameters = {
        "RoleName": role_arn.rpartition("/")[2],
        "PolicyName": POLICY,
        "PolicyDocument": json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    }
    invoke(
        "iam", "put_role_policy", parameters, endpoint_for(profile, "iam"), session, 3, "iam put-role-policy"
    )
