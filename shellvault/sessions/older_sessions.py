"""Ends sessions as AWS does: the role denies all that were issued before a time.

It is the policy of the console's "Revoke active sessions" (IAM User Guide, "Revoke IAM role temporary security
credentials"): it replaces itself, and new sessions are free of it.
"""

import json
import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from shellvault.display import printable
from shellvault.errors import UsageError
from shellvault.plan import endpoint_for
from shellvault.profiles.model import Profile
from shellvault.sessions.calls import invoke
from shellvault.sessions.model import Session

POLICY = "AWSRevokeOlderSessions"

#: Roles made by IAM Identity Center: only it may change them.
_RESERVED = "/aws-reserved/"

#: Seconds that a session of a role assumed from another role's lasts at most (IAM User Guide, "Role chaining").
CHAINED = 3600


def roles(profile: Profile) -> list[str]:
    """The ARNs of the roles whose sessions a policy can end: the profile's, and that of its coding agents.

    Raises UsageError if there is none.
    """
    found = [role for role in (profile.role_arn, profile.agent_role) if role and _RESERVED not in role]
    if found:
        return list(dict.fromkeys(found))
    if reserved := _reserved(profile):
        raise UsageError(f"{reserved}, which only the portal can change: end its sessions there")
    name = printable(profile.name)
    raise UsageError(
        f"{name} has no role: `shellvault rotate {name}` makes its keys void, and their sessions too"
    )


def unrevoked(profile: Profile) -> str:
    """What of the profile's sessions no policy ends, although it ends others; "" for nothing."""
    reserved = _reserved(profile)
    return f"{reserved}: end its own sessions there" if reserved else ""


def _reserved(profile: Profile) -> str:
    """That the profile's role is one of IAM Identity Center; "" if not."""
    role = profile.role_arn or ""
    if _RESERVED not in role and (role or not profile.sso):
        return ""
    return f"{printable(role or f'the role of {profile.name}')} belongs to IAM Identity Center"


def deny(profile: Profile, role_arn: str, session: Session) -> None:
    """Has the role deny every session that was issued until now, by AWS's clock; `session` may iam:PutRolePolicy.

    `profile` says where the call goes. Sessions are free of it a second later. Raises SessionError, and RefusedError
    when AWS refuses.
    """
    # The time of issue has no fractions: a session of this second is one from before.
    end = math.floor(time.time()) + 1
    there = _time_of(_put(profile, role_arn, session, end))
    if there is not None and end != math.floor(there) + 1:
        _put(profile, role_arn, session, math.floor(there) + 1)


def _put(profile: Profile, role_arn: str, session: Session, end: int) -> Mapping[str, Any]:
    condition = {
        "DateLessThan": {"aws:TokenIssueTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(end))}
    }
    statement = {"Effect": "Deny", "Action": ["*"], "Resource": ["*"], "Condition": condition}
    parameters = {
        "RoleName": role_arn.rpartition("/")[2],
        "PolicyName": POLICY,
        "PolicyDocument": json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    }
    return invoke(
        "iam", "put_role_policy", parameters, endpoint_for(profile, "iam"), session, 3, "iam put-role-policy"
    )


def _time_of(reply: Mapping[str, Any]) -> float | None:
    """AWS's time in a reply (RFC 9110, Date); None without one."""
    said = reply.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        return parsedate_to_datetime(said).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
