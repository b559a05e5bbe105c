"""SourceIdentity and session tags as AWS takes and refuses them, which the emulator passes over.

Sources: AWS STS API reference, AssumeRole and Tag; IAM User Guide, "Pass session tags" and "Monitor and control actions
taken with assumed roles".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from tests.support.emulator import Aws
from tests.support.http_front import Answer


@dataclass(frozen=True)
class Marks:
    """What one call of AssumeRole says of its caller."""

    session_name: str
    source_identity: str
    tags: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, form: Mapping[str, str]) -> "Marks":
        """Those of a call."""
        numbers = [n for n in range(1, 60) if f"Tags.member.{n}.Key" in form]
        tags = tuple((form[f"Tags.member.{n}.Key"], form.get(f"Tags.member.{n}.Value", "")) for n in numbers)
        return cls(form.get("RoleSessionName", ""), form.get("SourceIdentity", ""), tags)

    def refused(self, endpoint: str, form: Mapping[str, str], inherited: str) -> Answer | None:
        """AWS's refusal of the call, or None. `inherited` is the SourceIdentity of the caller's session."""
        if not self._is_valid():
            return _error(400, "ValidationError", "a session name, SourceIdentity or tag is not valid")
        role = form["RoleArn"]
        wanted = ["sts:TagSession"] if self.tags else []
        wanted += ["sts:SetSourceIdentity"] if self.source_identity or inherited else []
        if not wanted:
            return None
        allowed = _allowed(Aws(endpoint, 0), role.rpartition("/")[2])
        is_changed = bool(inherited) and self.source_identity not in ("", inherited)
        for action in wanted:
            if action not in allowed or (action == "sts:SetSourceIdentity" and is_changed):
                user = "arn:aws:iam::000000000000:user/someone"
                said = f"User: {user} is not authorized to perform: {action} on resource: {role}"
                return _error(403, "AccessDenied", said)
        return None

    def _is_valid(self) -> bool:
        names = [self.session_name, *([self.source_identity] if self.source_identity else [])]
        keys = {key.casefold() for key, _ in self.tags}
        return (
            all(re.fullmatch(r"[\w+=,.@-]{2,64}", name, re.ASCII) for name in names)
            and len(keys) == len(self.tags) <= 50
            and all(0 < len(key) <= 128 and len(value) <= 256 for key, value in self.tags)
            and all(re.fullmatch(r"[\w\s.:/=+@-]*", part) for tag in self.tags for part in tag)
        )


def _allowed(aws: Aws, role: str) -> set[str]:
    """The actions that a role's trust policy allows."""
    document: Any = aws.client("iam").get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    actions = [each["Action"] for each in document["Statement"] if each["Effect"] == "Allow"]
    return {action for each in actions for action in ([each] if isinstance(each, str) else each)}


def _error(status: int, code: str, message: str) -> Answer:
    text = f"<Code>{code}</Code><Message>{escape(message)}</Message>"
    body = f"<ErrorResponse><Error><Type>Sender</Type>{text}</Error></ErrorResponse>"
    return Answer(status, {"Content-Type": "text/xml"}, body.encode())
