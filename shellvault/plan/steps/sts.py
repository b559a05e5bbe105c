"""The calls to AWS STS (its API reference)."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from shellvault.display import printable
from shellvault.errors import ConfigError
from shellvault.loopback import is_loopback_url
from shellvault.plan.endpoints import endpoint_for
from shellvault.plan.options import Options
from shellvault.plan.steps.base import A_ROLE, HOUR, CachePlace, Shown, Step, fingerprinted
from shellvault.profiles.durations import format_duration
from shellvault.profiles.model import Marks, Profile

_MINIMUM = 15 * 60

#: Lets a console session do what the user may do: a federation token without a policy may do nothing.
_EVERYTHING = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'


@dataclass(frozen=True, slots=True)
class StsCall(Step):
    """What the calls to STS share. `duration` is the lifetime to ask for, in seconds."""

    duration: int = field(kw_only=True)
    requested_duration: int | None = None
    """The requested lifetime in seconds, when AWS's limit for chained calls shortened it."""
    mfa_serial: str | None = None
    mfa_process: str | None = None
    places: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    """Where the settings are that AWS may refuse (`Profile.places`)."""

    def facts(self) -> dict[str, object]:
        return {"duration": self.duration, "mfa_serial": self.mfa_serial}

    def shown(self) -> list[Shown]:
        asked = f" (asked for {format_duration(self.requested_duration)})" if self.requested_duration else ""
        code = f"MFA code of {printable(self.mfa_serial)}" if self.mfa_serial else None
        lasts = format_duration(self.duration) + asked
        return [("duration", self.duration, lasts), ("mfa_serial", self.mfa_serial, code)]

    @property
    def device(self) -> str | None:
        return self.mfa_serial

    @property
    def programs(self) -> tuple[str, ...]:
        return (self.mfa_process,) if self.mfa_process else ()

    def parameters(self, now: float) -> dict[str, Any]:
        """Those of the call, without a code or a token."""
        return {"DurationSeconds": self.duration}

    @property
    def operation(self) -> str:
        """The call by botocore's name."""
        return self.call.replace("-", "_")

    @property
    def arn(self) -> str | None:
        """What names the session's account when the reply does not."""
        return self.mfa_serial

    def checked(self) -> Self:
        """The step unchanged. Raises ConfigError when AWS does not give its lifetime.

        A loopback endpoint is an emulator, never AWS: it may use shorter lifetimes, so that expiry can be tested.
        """
        minimum = 1 if is_loopback_url(self.endpoint.url or "") else _MINIMUM
        if not minimum <= self.duration <= self.longest:
            raise ConfigError(
                f"profile {printable(self.profile)} asks for {format_duration(self.duration)}, but AWS gives "
                f"{format_duration(_MINIMUM)} to {format_duration(self.longest)} for {self.call}: change the duration"
            )
        return self


@dataclass(frozen=True, slots=True)
class SessionToken(StsCall):
    """GetSessionToken with a user's keys."""

    call: ClassVar[str] = "get-session-token"
    longest: ClassVar[int] = 36 * HOUR
    proves_partition: ClassVar[bool] = True
    not_narrowed: ClassVar[str] = f"AWS takes no session policy with GetSessionToken: {A_ROLE}"

    cache: CachePlace = field(default="vault", kw_only=True)


@dataclass(frozen=True, slots=True)
class NarrowableCall(StsCall):
    """What calls with session policies share."""

    policy: str | None = None
    """A session policy, as JSON without blanks."""
    policy_arns: tuple[str, ...] = ()
    """Managed policies used as session policies."""
    session_name: str | None = None
    role_arn: str | None = None

    def facts(self) -> dict[str, object]:
        own: dict[str, object] = {"session_name": self.session_name, "role_arn": self.role_arn}
        # Absent when empty: this keeps the fingerprints of sessions made before policies were supported.
        if self.policy or self.policy_arns:
            own |= {"session_policies": [self.policy, sorted(self.policy_arns)]}
        return StsCall.facts(self) | own

    def shown(self) -> list[Shown]:
        role, arns, policy = self.role_arn, self.policy_arns, self.policy
        narrowed = f"narrowed to {' and '.join(map(printable, arns))}" if arns else None
        digest = hashlib.sha256((policy or "").encode()).hexdigest()[:12]
        more = "and" if arns else "narrowed to"
        text = f"{more} a policy of {len(policy)} characters (SHA-256 {digest}…)" if policy else None
        return [
            ("role_arn", role, printable(role) if role else None),
            *StsCall.shown(self),
            ("policy", json.loads(policy) if policy else None, None),
            ("policy_arns", list(arns) or None, narrowed),
            (None, None, text),
        ]

    @property
    def title(self) -> str:
        of = f" of {printable(self.role_arn)}" if self.role_arn else ""
        return f"{self.call}{of} (profile {printable(self.profile)})"

    @property
    def arn(self) -> str | None:
        return self.role_arn or self.mfa_serial

    def policies(self) -> dict[str, Any]:
        """The parameters that narrow the session."""
        arns = {"PolicyArns": [{"arn": arn} for arn in self.policy_arns]} if self.policy_arns else {}
        return arns | ({"Policy": self.policy} if self.policy else {})

    def parameters(self, now: float) -> dict[str, Any]:
        name = self.session_name or f"shellvault-{int(now)}"
        role = {"RoleArn": self.role_arn, "RoleSessionName": name}
        return {"DurationSeconds": self.duration, **self.policies(), **role}


@dataclass(frozen=True, slots=True)
class AssumeRole(NarrowableCall):
    """AssumeRole."""

    call: ClassVar[str] = "assume-role"
    longest: ClassVar[int] = 12 * HOUR
    proves_partition: ClassVar[bool] = True

    external_id: str | None = None
    source_identity: str | None = None
    session_tags: tuple[tuple[str, str], ...] = ()
    transitive_session_tags: tuple[str, ...] = ()
    marks: Marks | None = None
    """What shows the caller: left out where AWS does not take it (sessions.marking)."""

    def facts(self) -> dict[str, object]:
        own: dict[str, object] = {
            "external_id": self.external_id,
            "source_identity": self.source_identity,
            "session_tags": sorted(self.session_tags),
            "transitive_session_tags": sorted(self.transitive_session_tags),
        }
        # Absent without a mark: this keeps the fingerprints of other sessions. Here and not by what AWS took of them,
        # so that no caller gets the session of another one.
        if self.marks:
            own |= {"marks": [self.marks.source_identity, sorted(self.marks.tags), self.marks.is_required]}
        return NarrowableCall.facts(self) | own

    def parameters(self, now: float) -> dict[str, Any]:
        marks = self.marks or Marks()
        optional = {
            "ExternalId": self.external_id,
            "SourceIdentity": self.source_identity or marks.source_identity,
            "Tags": [{"Key": key, "Value": value} for key, value in _tags(self.session_tags, marks.tags)],
            "TransitiveTagKeys": list(self.transitive_session_tags),
        }
        given = {name: value for name, value in optional.items() if value}
        return NarrowableCall.parameters(self, now) | given


def _tags(own: Sequence[tuple[str, str]], marks: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """A profile's own tags and the marks, which no tag replaces: AWS ignores the case of keys."""
    kept = {key.casefold() for key, _ in marks}
    return [*(tag for tag in own if tag[0].casefold() not in kept), *marks]


@dataclass(frozen=True, slots=True)
class WebIdentity(NarrowableCall):
    """AssumeRoleWithWebIdentity, with a token from a file or a program."""

    call: ClassVar[str] = "assume-role-with-web-identity"
    longest: ClassVar[int] = 12 * HOUR

    token_file: str | None = None
    token_process: str | None = None

    @classmethod
    def begin(cls, root: Profile, partition: str, options: Options) -> Sequence[Step]:
        if not (root.web_identity_token_file or root.web_identity_token_process):
            return ()
        if not root.role_arn:
            raise ConfigError(
                f"profile {printable(root.name)} has a web identity token but no role_arn: add one"
            )
        step = cls(
            root.name,
            role_arn=root.role_arn,
            duration=root.durations.assume_role or HOUR,
            session_name=root.role_session_name,
            endpoint=endpoint_for(root, "sts", partition=partition),
            places=root.places,
            token_file=root.web_identity_token_file,
            token_process=root.web_identity_token_process,
        )
        return [fingerprinted(step.checked(), None)]

    def facts(self) -> dict[str, object]:
        return NarrowableCall.facts(self) | {
            "web_identity_token_file": self.token_file,
            "web_identity_token_process": self.token_process,
        }

    @property
    def programs(self) -> tuple[str, ...]:
        return (self.token_process,) if self.token_process else ()


@dataclass(frozen=True, slots=True)
class FederationToken(NarrowableCall):
    """GetFederationToken, the only way from long-term keys to a console sign-in without a role."""

    call: ClassVar[str] = "get-federation-token"
    longest: ClassVar[int] = 36 * HOUR
    proves_partition: ClassVar[bool] = True

    def parameters(self, now: float) -> dict[str, Any]:
        policies = self.policies() or {"Policy": _EVERYTHING}
        return {"DurationSeconds": self.duration, "Name": self.session_name, **policies}
