"""What a plan is: its steps, where their calls go, and the hash that tells one step's result from another's."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

from shellvault.plan.endpoints import AWS, Endpoint
from shellvault.profiles.model import CredentialSource, Narrowing, SecretsEngine, Sso
from shellvault.profiles.shapes import canonical_start_url as canonical

Call = Literal[
    "stored-keys",
    "get-session-token",
    "assume-role",
    "assume-role-with-web-identity",
    "sso-sign-in",
    "sso",
    "aws-sign-in",
    "credential-process",
    "credential-source",
    "get-federation-token",
    "secrets-engine",
]

#: The steps for which a person signs in through a browser, once in a while.
SIGN_INS: tuple[Call, ...] = ("sso-sign-in", "aws-sign-in")

HOUR = 3600

#: The longest lifetime that each call gives, in seconds (STS API reference; IAM Identity Center User Guide). A
#: credential process can have its session from nowhere else.
LONGEST: Mapping[Call, int] = {
    "stored-keys": 0,
    "get-session-token": 36 * HOUR,
    "assume-role": 12 * HOUR,
    "assume-role-with-web-identity": 12 * HOUR,
    "sso-sign-in": 0,
    "sso": 12 * HOUR,
    "aws-sign-in": HOUR // 4,
    "credential-process": 36 * HOUR,
    "credential-source": 36 * HOUR,
    "get-federation-token": 36 * HOUR,
    # Vault's own limit for leases, where its operators set no other (max_lease_ttl).
    "secrets-engine": 768 * HOUR,
}


@dataclass(frozen=True, slots=True)
class Options:
    """How a session is asked for: without a session token, or for a console sign-in."""

    no_session: bool = False
    console: bool = False
    environment_key_id: str | None = None
    """The access key id in the environment, for `credential_source = Environment`."""
    insecure_endpoint: bool = False
    """Whether calls may go over plain HTTP to another machine."""
    narrows: bool = True
    """Whether session policies are asked for; not where the session is for shellvault's own calls."""
    secrets_policy: str | None = None
    """The session policy that keeps secrets back, for a narrowing with `no_secrets`."""


@dataclass(frozen=True, slots=True)
class Step:
    """One call that turns credentials (those of the step before) into other credentials."""

    call: Call
    profile: str
    """The profile that asks for this step."""
    cache: Literal["vault", "memory", "none"]
    fingerprint: str = ""
    """Hash of everything that decides the result; the only key of the session caches."""
    substitutes: tuple[str, ...] = ()
    """Fingerprints of cached sessions that serve as well as this step's own."""
    role_arn: str | None = None
    duration: int | None = None
    """Lifetime to ask for, in seconds."""
    requested_duration: int | None = None
    """What the user asked for, in seconds, when AWS's limit for chained calls made it less."""
    mfa_serial: str | None = None
    mfa_process: str | None = None
    access_key_id: str | None = None
    root_key_id: str | None = None
    """The access key id of the stored keys that all of this step's credentials come from."""
    external_id: str | None = None
    session_name: str | None = None
    source_identity: str | None = None
    policy: str | None = None
    """A session policy, as JSON without blanks."""
    policy_arns: tuple[str, ...] = ()
    """Managed policies that are session policies."""
    session_tags: tuple[tuple[str, str], ...] = ()
    transitive_session_tags: tuple[str, ...] = ()
    endpoint: Endpoint = AWS
    sso: Sso | None = None
    login_session: str | None = None
    """The ARN of who signs in to AWS."""
    web_identity_token_file: str | None = None
    web_identity_token_process: str | None = None
    credential_process: str | None = None
    credential_source: CredentialSource | None = None
    engine: SecretsEngine | None = None
    instance_metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def programs(self) -> tuple[str, ...]:
        """The commands that this step runs, as the config file has them."""
        named = (self.credential_process, self.web_identity_token_process, self.mfa_process)
        return tuple(command for command in named if command)

    @property
    def prompts_mfa(self) -> bool:
        """Whether this step needs an MFA code."""
        return self.mfa_serial is not None


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps from a profile to its session, and what a person should know about them."""

    profile: str
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = field(default=())
    narrowing: Narrowing = field(default_factory=Narrowing)
    """What the last step is narrowed to."""
    partition: str | None = None
    """Where its session is good: as ARNs, the portal or the region say, or a call proves; None where nothing does."""

    @property
    def mfa_prompts(self) -> int:
        """How many MFA codes the plan needs when nothing is cached: 0 or 1."""
        return sum(step.prompts_mfa for step in self.steps)


def fingerprinted(step: Step, before: str | None) -> Step:
    """The step with the hash of everything that decides its result.

    Left out are the profile's name, so that profiles with the same keys and MFA device share a session, and
    the region (see `Endpoint.authority`), so that another region does not cost another code.
    """
    sso = step.sso
    facts: dict[str, object] = {
        "before": before,
        "call": step.call,
        "access_key_id": step.access_key_id,
        "authority": step.endpoint.authority,
        "role_arn": step.role_arn,
        "duration": step.duration,
        "mfa_serial": step.mfa_serial,
        "external_id": step.external_id,
        "session_name": step.session_name,
        "source_identity": step.source_identity,
        "session_tags": sorted(step.session_tags),
        "transitive_session_tags": sorted(step.transitive_session_tags),
        "sso": _sso_facts(sso) if sso else None,
        "login_session": step.login_session,
        "web_identity_token_file": step.web_identity_token_file,
        "web_identity_token_process": step.web_identity_token_process,
        "credential_process": step.credential_process,
        "credential_source": step.credential_source,
        "instance_metadata": sorted(step.instance_metadata.items()),
    }
    # Absent where there are none: sessions from before there were any keep their fingerprints.
    if step.policy or step.policy_arns:
        facts["session_policies"] = [step.policy, sorted(step.policy_arns)]
    if step.engine:
        facts["engine"] = asdict(step.engine)
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return replace(step, fingerprint=hashlib.sha256(canonical.encode()).hexdigest())


def _sso_facts(sso: Sso) -> list[object]:
    """What tells one sign-in or role from another; a start URL may be written in several ways."""
    start_url = canonical(sso.start_url)
    scopes = sorted(sso.registration_scopes)
    return [
        start_url,
        sso.session_name,
        sso.region,
        sso.account_id,
        sso.role_name,
        *([scopes] if scopes else []),
    ]
