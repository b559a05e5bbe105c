"""What all steps share: one call that turns credentials (of the step before) into other credentials."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, ClassVar, Literal, TypeVar

from shellvault.display import printable
from shellvault.plan.endpoints import AWS, Endpoint
from shellvault.plan.options import Options
from shellvault.profiles.model import Profile

HOUR = 3600

#: Where the session of a step may be kept.
CachePlace = Literal["vault", "memory", "none"]

Shown = tuple[str | None, Any, str | None]

Kind = TypeVar("Kind", bound="Step")

#: What every fingerprint covers, null or empty where a step has no such fact. Unchanged since the first release,
#: so that kept sessions stay valid.
_ABSENT: dict[str, object] = {
    **dict.fromkeys(("access_key_id", "role_arn", "duration", "mfa_serial", "external_id", "session_name")),
    **dict.fromkeys(("source_identity", "sso", "login_session", "web_identity_token_file")),
    **dict.fromkeys(("web_identity_token_process", "credential_process", "credential_source")),
    **dict.fromkeys(("session_tags", "transitive_session_tags", "instance_metadata"), ()),
}

A_ROLE = "use a profile with a role_arn, whose session can be"


@dataclass(frozen=True, slots=True)
class Step:
    """One call. Each kind defines what it needs, what decides its result, how it is shown and where it may be kept."""

    call: ClassVar[str]
    """Its name, for people and labels."""
    longest: ClassVar[int] = 0
    """The longest lifetime that it gives, in seconds (STS API reference; IAM Identity Center User Guide)."""
    is_sign_in: ClassVar[bool] = False
    """Whether a person sometimes has to sign in for it through a browser."""
    is_cached: ClassVar[bool] = True
    """Whether the session caches are used; not where the credentials themselves are available."""
    gives_session: ClassVar[bool] = True
    proves_partition: ClassVar[bool] = False
    """Whether only the partition answers in which it is made."""
    endpoint_setting: ClassVar[str] = "its endpoint_url"
    is_machines: ClassVar[bool] = False
    """Whether the machine around the process gives the credentials."""
    reads_environment: ClassVar[bool] = False
    not_narrowed: ClassVar[str] = ""
    """Why it accepts no session policies (API references)."""

    profile: str
    """The profile that asks for this step."""
    _: KW_ONLY
    cache: CachePlace = "memory"
    fingerprint: str = ""
    """Hash of everything that decides the result; the only key of the session caches."""
    substitutes: tuple[str, ...] = ()
    """Fingerprints of cached sessions that can replace this step's own."""
    root_key_id: str | None = None
    """The access key id of the stored keys that all of this step's credentials come from."""
    endpoint: Endpoint = AWS
    access_key_id: str | None = None
    """That of its credentials, where the plan knows it."""
    may_be_users: bool = False
    """Whether its credentials may be a user's own: only those can carry an MFA code."""

    @classmethod
    def begin(cls, root: Profile, partition: str, options: Options) -> "Sequence[Step]":
        """The first steps of a plan, where `root` has its credentials from here. Raises ConfigError."""
        return ()

    def facts(self) -> dict[str, object]:
        """What decides the result, besides the call, where it goes, its key id, and the steps before."""
        return {}

    def shown(self) -> list[Shown]:
        """What is shown of it: name and value for a program (None where it has none), and words for a person."""
        return []

    @property
    def title(self) -> str:
        """The step in the words of a message."""
        return f"{self.call} (profile {printable(self.profile)})"

    @property
    def device(self) -> str | None:
        """The MFA device whose code this step takes."""
        return None

    @property
    def prompts_mfa(self) -> bool:
        """Whether this step needs an MFA code."""
        return self.device is not None

    @property
    def needs_person(self) -> bool:
        """Whether it sometimes needs a person."""
        return self.prompts_mfa or self.is_sign_in

    @property
    def programs(self) -> tuple[str, ...]:
        """The commands that this step runs, as written in the config file."""
        return ()

    @property
    def is_by_program(self) -> bool:
        """Whether a user's program gives the credentials: it may give others in another container."""
        return bool(self.programs) and not self.prompts_mfa

    @property
    def is_shareable(self) -> bool:
        """Whether its session is the same in every process of the user."""
        return not (self.is_by_program or self.is_machines)

    @property
    def uses_environment(self) -> bool:
        """Whether its result depends on the environment of the requesting command."""
        return bool(self.programs) or self.reads_environment


def fingerprinted(step: Kind, before: str | None) -> Kind:
    """The step with the hash of everything that decides its result.

    The profile's name is left out, so that profiles with the same keys and MFA device share a session. So is the
    region (see `Endpoint.authority`): another region does not cost another code.
    """
    facts = _ABSENT | {"before": before, "call": step.call, "authority": step.endpoint.authority}
    facts |= {"access_key_id": step.access_key_id, **step.facts()}
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return replace(step, fingerprint=hashlib.sha256(canonical.encode()).hexdigest())


def following(steps: Sequence[Step], step: Kind) -> Kind:
    """The step as it comes after `steps`."""
    return fingerprinted(replace(step, root_key_id=steps[0].access_key_id), steps[-1].fingerprint)
