"""A front to the emulator that counts the calls, and can make the sessions it passes on short-lived.

AWS gives no session under 15 minutes and shellvault asks for none, so a test that waits for an expiry needs
the lifetime changed on the way. The request is then signed anew with the caller's own secret, which the front
was told or has seen pass by. The emulator enforces the short expiry.
"""

import re
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.support.emulator import REGION, Aws, Keys
from tests.support.http_front import Answer, forward, serving
from tests.support.role_marks import Marks

_CREDENTIALS = re.compile(
    r"<AccessKeyId>(.*?)</AccessKeyId>\s*<SecretAccessKey>(.*?)</SecretAccessKey>"
    r"\s*<SessionToken>(.*?)</SessionToken>",
    re.DOTALL,
)

_UNKNOWN_KEY = (
    b"<ErrorResponse><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code>"
    b"<Message>The security token included in the request is invalid.</Message></Error></ErrorResponse>"
)


_DENIED = (
    b"<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>"
    b"<Message>You are not authorized to perform this action.</Message></Error></ErrorResponse>"
)


@dataclass
class StsFront:
    """What the front has seen, and how it behaves."""

    upstream: str
    endpoint: str = ""
    calls: list[str] = field(default_factory=list)
    """The actions called, in order."""
    delay: float = 0
    """Seconds that each call is held back, so that commands started together are in flight together."""
    let_through: threading.Event = field(default_factory=threading.Event)
    """Calls are held back while it is cleared, for at most half a minute."""
    lifetime: int | None = None
    """Seconds that sessions live from now on; None: as long as asked for."""
    refuses_unknown_keys: int = 0
    """How many calls of keys that the front was not told of are refused, as while IAM is not yet consistent."""
    refuses: str = ""
    """The action that is denied."""
    secrets: dict[str, Keys] = field(default_factory=dict)
    """The keys that calls may be signed with, by access key id; needed for a `lifetime`."""

    marks: list[Marks] = field(default_factory=list)
    """What the roles' sessions that were given show of their caller, in order."""
    _identities: dict[str, str] = field(default_factory=dict)
    """The SourceIdentity of sessions, by access key id."""

    _issued: dict[str, tuple[str, float]] = field(default_factory=dict)
    """The role of sessions and when they were issued, by access key id."""

    def __post_init__(self) -> None:
        self.let_through.set()

    def knows(self, keys: Keys) -> None:
        """Lets sessions made with `keys` be shortened."""
        self.secrets[keys.access_key_id] = keys

    def answer(self, headers: dict[str, str], body: bytes) -> Answer:
        """Passes one call on, shortened if so wished."""
        form = dict(urllib.parse.parse_qsl(body.decode()))
        self.calls.append(form.get("Action", "?"))
        time.sleep(self.delay)
        self.let_through.wait(30)
        signed = re.search(r"Credential=([^/]+)/", headers.get("Authorization", ""))
        if self.refuses_unknown_keys and signed and signed.group(1) not in self.secrets:
            self.refuses_unknown_keys -= 1
            return Answer(403, {"Content-Type": "text/xml"}, _UNKNOWN_KEY)
        if form.get("Action") == self.refuses:
            return Answer(403, {"Content-Type": "text/xml"}, _DENIED)
        if self._is_revoked(signed.group(1) if signed else "", form):
            return Answer(403, {"Content-Type": "text/xml"}, _DENIED)
        source = self._identities.get(signed.group(1) if signed else "", "")
        shown = Marks.of(form)
        if form.get("Action") == "AssumeRole" and (refused := shown.refused(self.upstream, form, source)):
            return refused
        if self.lifetime is not None and "DurationSeconds" in form:
            form["DurationSeconds"] = str(self.lifetime)
            body = urllib.parse.urlencode(form).encode()
            headers = self._sign(headers, body)
        answer = forward(self.upstream, headers, body)
        for found in _CREDENTIALS.finditer(answer.body.decode()):
            self.knows(Keys(*found.groups()))
            if form.get("Action") == "AssumeRole":
                self.marks.append(shown)
                self._identities[found.group(1)] = shown.source_identity or source
                self._issued[found.group(1)] = (form["RoleArn"].rpartition("/")[2], int(time.time()))
        return answer

    def _is_revoked(self, access_key_id: str, form: dict[str, str]) -> bool:
        """Whether the role denies this session all it may be denied, since it was issued before a time.

        GetCallerIdentity takes no permission, and none can be taken from it (its API reference).
        """
        role, issued_at = self._issued.get(access_key_id, ("", 0.0))
        if not role or form.get("Action") == "GetCallerIdentity":
            return False
        iam = Aws(self.upstream, 0).client("iam")
        if "AWSRevokeOlderSessions" not in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            return False
        policy = iam.get_role_policy(RoleName=role, PolicyName="AWSRevokeOlderSessions")["PolicyDocument"]
        ends = [each["Condition"]["DateLessThan"]["aws:TokenIssueTime"] for each in policy["Statement"]]
        return any(issued_at < datetime.fromisoformat(end).timestamp() for end in ends)

    def _sign(self, headers: dict[str, str], body: bytes) -> dict[str, str]:
        """The headers of the same call with another body. Raises KeyError for an unknown caller."""
        signed = re.search(r"Credential=([^/]+)/", headers.get("Authorization", ""))
        keys = self.secrets[signed.group(1) if signed else ""]
        request = AWSRequest(
            "POST", self.upstream, headers={"Content-Type": headers["Content-Type"]}, data=body
        )
        credentials = Credentials(keys.access_key_id, keys.secret_access_key, keys.session_token)
        SigV4Auth(credentials, "sts", REGION).add_auth(request)
        return {
            **request.headers,
            "Host": urllib.parse.urlsplit(self.upstream).netloc,
            "Content-Length": str(len(body)),
        }


@contextmanager
def fronting(aws: Aws) -> Iterator[StsFront]:
    """Runs a front to `aws` on a loopback port of its own until the block ends."""

    front = StsFront(aws.endpoint)
    with serving(front.answer) as front.endpoint:
        yield front
