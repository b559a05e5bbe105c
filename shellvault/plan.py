"""From a profile to the ordered calls that give its session. Pure: reads nothing, calls nothing.

The rules are those of aws-vault (its README, "Roles and MFA") with these mended: a plan asks for at most
one MFA code, and whatever is assumed from temporary credentials is capped at one hour, as AWS demands.

Sources: the AWS STS API reference (GetSessionToken, AssumeRole, AssumeRoleWithWebIdentity,
GetFederationToken) and the IAM User Guide, "Role chaining".
"""

import hashlib
import ipaddress
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from urllib.parse import urlsplit

from shellvault.errors import ConfigError
from shellvault.profiles.model import Profile, Sso
from shellvault.profiles.parse import printable
from shellvault.profiles.resolve import default_sts_region

Call = Literal[
    "stored-keys",
    "get-session-token",
    "assume-role",
    "assume-role-with-web-identity",
    "sso",
    "credential-process",
    "get-federation-token",
]

HOUR = 3600
_MINIMUM = 15 * 60
#: The longest lifetime AWS gives, in seconds.
_MAXIMUM: Mapping[Call, int] = {
    "get-session-token": 36 * HOUR,
    "assume-role": 12 * HOUR,
    "assume-role-with-web-identity": 12 * HOUR,
    "get-federation-token": 36 * HOUR,
}
_CHAINED_SESSION_TOKEN = 8 * HOUR

#: Regions outside the partition `aws`, by how their names begin.
_PARTITIONS = {
    "cn-": "aws-cn",
    "eu-isoe-": "aws-iso-e",
    "eusc-": "aws-eusc",
    "us-gov-": "aws-us-gov",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "us-isof-": "aws-iso-f",
}


@dataclass(frozen=True, slots=True)
class Options:
    """How a session is asked for: without a session token, or for a console sign-in."""

    no_session: bool = False
    login: bool = False


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a call goes: without `url` to AWS's endpoint in `region`, with `legacy` to its global one."""

    region: str
    url: str | None = None
    legacy: bool = False
    ca_bundle: str | None = None

    @property
    def authority(self) -> str:
        """Who answers, as far as that matters: a session of one region is good in all of its partition."""
        partition = next(
            (_PARTITIONS[start] for start in _PARTITIONS if self.region.startswith(start)), "aws"
        )
        return self.url or f"{partition} {'global' if self.legacy else 'regional'}"


#: Where calls go when nothing says otherwise.
AWS = Endpoint("us-east-1")


@dataclass(frozen=True, slots=True)
class Step:
    """One call that turns credentials (those of the step before) into other credentials."""

    call: Call
    profile: str
    """The profile that asks for this step."""
    cache: Literal["vault", "memory", "none"]
    fingerprint: str = ""
    """Hash of everything that decides the result; the only key of the session caches."""
    role_arn: str | None = None
    duration: int | None = None
    """Lifetime to ask for, in seconds."""
    requested_duration: int | None = None
    """What the user asked for, in seconds, when AWS's limit for chained calls made it less."""
    mfa_serial: str | None = None
    mfa_process: str | None = None
    access_key_id: str | None = None
    external_id: str | None = None
    session_name: str | None = None
    source_identity: str | None = None
    session_tags: tuple[tuple[str, str], ...] = ()
    transitive_session_tags: tuple[str, ...] = ()
    endpoint: Endpoint = AWS
    sso: Sso | None = None
    web_identity_token_file: str | None = None
    web_identity_token_process: str | None = None
    credential_process: str | None = None

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

    @property
    def mfa_prompts(self) -> int:
        """How many MFA codes the plan needs when nothing is cached: 0 or 1."""
        return sum(step.prompts_mfa for step in self.steps)


def build(profile: Profile, stored: Mapping[str, str], options: Options) -> Plan:
    """The plan for `profile`, where `stored` maps the names that have long-term keys to their access key ids.

    Raises ConfigError when the profile has no credentials, or asks for a lifetime that AWS does not give.
    """
    chain = _chain(profile, stored)
    root = chain[0]
    notes = [note for member in chain for note in member.notes]
    if root.name in stored:
        steps = [_stored_keys(root, stored[root.name])]
        if (session_token := _session_token(chain, options)) is not None:
            steps.append(_following(steps, session_token))
    else:
        steps = [_first_call(root)]
    for member in chain:
        if member.role_arn and not (member is root and steps[0].call == "assume-role-with-web-identity"):
            steps.append(_following(steps, _assume_role(member, steps[-1])))
    if options.login and steps[-1].call == "stored-keys":
        steps.append(_following(steps, _federation_token(profile)))
    return Plan(profile.name, tuple(steps), tuple(dict.fromkeys([*notes, *_remarks(chain, steps)])))


def _chain(profile: Profile, stored: Mapping[str, str]) -> tuple[Profile, ...]:
    """The profiles from the one with credentials of its own, stored keys before any other, to `profile`."""
    chain = [profile]
    while chain[0].name not in stored and chain[0].source is not None:
        chain.insert(0, chain[0].source)
    return tuple(chain)


def _stored_keys(root: Profile, access_key_id: str) -> Step:
    return _fingerprinted(Step("stored-keys", root.name, "none", access_key_id=access_key_id), None)


def _session_token(chain: Sequence[Profile], options: Options) -> Step | None:
    """GetSessionToken with the stored keys of the first in `chain`, where it is called for.

    On its own a user gets a session for an hour. Before a role, a session is worth its call only when it
    carries the code that the role asks for too; and a single role for more than an hour is assumed by the
    keys themselves, since from a session it would be capped.
    """
    root, roles = chain[0], [member for member in chain if member.role_arn]
    if options.no_session or (options.login and not roles):
        return None
    if not roles:
        serial = next((member.mfa_serial for member in reversed(chain) if member.mfa_serial), None)
        duration = chain[-1].durations.session_token or HOUR
    else:
        above = next((member for member in chain[1:] if member.role_arn), None)
        long_role = len(roles) == 1 and (roles[0].durations.assume_role or HOUR) > HOUR
        if above is None or long_role or root.mfa_serial is None or root.mfa_serial != above.mfa_serial:
            return None
        serial = root.mfa_serial
        duration = root.durations.chained_session_token or _CHAINED_SESSION_TOKEN
    return _limited(
        Step(
            "get-session-token",
            root.name,
            "vault",
            duration=duration,
            mfa_serial=serial,
            mfa_process=(root.mfa_process or chain[-1].mfa_process) if serial else None,
            endpoint=_endpoint(root),
        )
    )


def _first_call(root: Profile) -> Step:
    """The step that needs no credentials before it, for a profile without stored keys."""
    if root.sso is not None:
        step = _sso(root, root.sso)
    elif root.web_identity_token_file or root.web_identity_token_process:
        step = _web_identity(root)
    elif root.credential_process:
        step = Step("credential-process", root.name, "memory", credential_process=root.credential_process)
    else:
        raise ConfigError(_missing(root))
    return _fingerprinted(step, None)


def _sso(root: Profile, sso: Sso) -> Step:
    if not (sso.account_id and sso.role_name):
        raise ConfigError(
            f"profile {printable(root.name)} needs both sso_account_id and sso_role_name: add them"
        )
    endpoint = Endpoint(sso.region, root.endpoint_url, ca_bundle=root.ca_bundle)
    return Step("sso", root.name, "memory", sso=sso, endpoint=endpoint)


def _web_identity(root: Profile) -> Step:
    if not root.role_arn:
        raise ConfigError(f"profile {printable(root.name)} has a web identity token but no role_arn: add one")
    return _limited(
        Step(
            "assume-role-with-web-identity",
            root.name,
            "memory",
            role_arn=root.role_arn,
            duration=root.durations.assume_role or HOUR,
            session_name=root.role_session_name,
            endpoint=_endpoint(root),
            web_identity_token_file=root.web_identity_token_file,
            web_identity_token_process=root.web_identity_token_process,
        )
    )


def _missing(root: Profile) -> str:
    if root.unsupported:
        return f"profile {printable(root.name)} has no credentials: {root.unsupported}"
    what = (
        "has no credentials" if root.defined else "has neither a section in the config file nor stored keys"
    )
    where = f" ({printable(root.where)})" if root.where else ""
    name = printable(root.name)
    return f"profile {name}{where} {what}: store keys with `shellvault add {name}`"


def _assume_role(member: Profile, before: Step) -> Step:
    """AssumeRole for `member` with the credentials of the step `before`.

    Only a user's own credentials can carry a code: AWS takes none from a role, and after a session that was
    opened with a code none is needed. What credential_process gives may be a user's, so there it is sent.
    """
    takes_code = before.call in ("stored-keys", "credential-process") and member.mfa_serial is not None
    requested = member.durations.assume_role or HOUR
    capped = before.call != "stored-keys" and requested > HOUR
    return _limited(
        Step(
            "assume-role",
            member.name,
            "vault" if takes_code else "memory",
            role_arn=member.role_arn,
            duration=HOUR if capped else requested,
            requested_duration=requested if capped else None,
            mfa_serial=member.mfa_serial if takes_code else None,
            mfa_process=member.mfa_process if takes_code else None,
            external_id=member.external_id,
            session_name=member.role_session_name,
            source_identity=member.source_identity,
            session_tags=member.session_tags,
            transitive_session_tags=member.transitive_session_tags,
            endpoint=_endpoint(member),
        )
    )


def _federation_token(profile: Profile) -> Step:
    """GetFederationToken, the only way from long-term keys to a console sign-in without a role."""
    # The API takes 2 to 32 of these characters.
    name = re.sub(r"[^\w+=,.@-]", "-", profile.name, flags=re.ASCII)[:32]
    return _limited(
        Step(
            "get-federation-token",
            profile.name,
            "memory",
            duration=profile.durations.federation_token or HOUR,
            session_name=name if len(name) > 1 else f"user-{name}",
            endpoint=_endpoint(profile),
        )
    )


def _endpoint(profile: Profile) -> Endpoint:
    return Endpoint(
        default_sts_region(profile),
        profile.sts_endpoint_url or profile.endpoint_url,
        profile.sts_regional_endpoints == "legacy",
        profile.ca_bundle,
    )


def _limited(step: Step) -> Step:
    """The step as it is. Raises ConfigError when its lifetime is none that AWS gives.

    A loopback endpoint is an emulator, never AWS: there shorter ones are fine, so that expiry can be tested.
    """
    duration, maximum = step.duration or 0, _MAXIMUM[step.call]
    minimum = 1 if _is_loopback(step.endpoint) else _MINIMUM
    if not minimum <= duration <= maximum:
        raise ConfigError(
            f"profile {printable(step.profile)} asks for {format_duration(duration)}, but AWS gives "
            f"{format_duration(_MINIMUM)} to {format_duration(maximum)} for {step.call}: change the duration"
        )
    return step


def _is_loopback(endpoint: Endpoint) -> bool:
    try:
        host = urlsplit(endpoint.url or "").hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _following(steps: Sequence[Step], step: Step) -> Step:
    return _fingerprinted(step, steps[-1].fingerprint)


def _fingerprinted(step: Step, before: str | None) -> Step:
    """The step with the hash of everything that decides its result.

    Left out are the profile's name, so that profiles with the same keys and MFA device share a session, and
    the region (see `Endpoint.authority`), so that another region does not cost another code.
    """
    sso = step.sso
    facts = {
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
        "sso": [sso.start_url, sso.session_name, sso.region, sso.account_id, sso.role_name] if sso else None,
        "web_identity_token_file": step.web_identity_token_file,
        "web_identity_token_process": step.web_identity_token_process,
        "credential_process": step.credential_process,
    }
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return replace(step, fingerprint=hashlib.sha256(canonical.encode()).hexdigest())


def _remarks(chain: Sequence[Profile], steps: Sequence[Step]) -> list[str]:
    """What the plan leaves out or changes, one line each."""
    root, remarks = chain[0], []
    if steps[0].call == "stored-keys" and (root.source or root.sso or root.credential_process):
        remarks.append(
            f"the stored keys of {printable(root.name)} are used, not its section's other credentials"
        )
    codes = {step.mfa_serial for step in steps}
    for member in chain:
        if member.role_arn and member.mfa_serial and member.mfa_serial not in codes:
            remarks.append(
                f"the mfa_serial of {printable(member.name)} is unused: AWS takes codes only with user keys"
            )
    for step in steps:
        if step.requested_duration:
            remarks.append(
                f"{printable(step.profile)} asks for {format_duration(step.requested_duration)} and gets "
                f"{format_duration(HOUR)}, AWS's limit for a role assumed from temporary credentials"
            )
    return remarks


def to_json(plan: Plan) -> dict[str, Any]:
    """The plan as `shellvault why --format json` prints it; what a step does not have is left out."""
    steps = []
    for step in plan.steps:
        optional = {"role_arn": step.role_arn, "duration": step.duration, "mfa_serial": step.mfa_serial}
        given = {name: value for name, value in optional.items() if value is not None}
        shown = {"call": step.call, "profile": step.profile, **given}
        steps.append({**shown, "prompts_mfa": step.prompts_mfa, "cache": step.cache})
    return {"profile": plan.profile, "steps": steps, "mfa_prompts": plan.mfa_prompts}


def describe(plan: Plan) -> str:
    """The plan for a person, without a newline at the end."""
    codes = "no MFA code" if plan.mfa_prompts == 0 else "one MFA code"
    lines = [f"{printable(plan.profile)} needs {codes} when nothing is cached:"]
    lines += [f"  {number}. {_described(step)}" for number, step in enumerate(plan.steps, 1)]
    return "\n".join([*lines, *(f"note: {printable(note)}" for note in plan.notes)])


def _described(step: Step) -> str:
    parts = [f"{step.call} ({printable(step.profile)})"]
    if step.role_arn:
        parts.append(printable(step.role_arn))
    if step.duration:
        asked = f" (asked for {format_duration(step.requested_duration)})" if step.requested_duration else ""
        parts.append(format_duration(step.duration) + asked)
    if step.mfa_serial:
        parts.append(f"MFA code of {printable(step.mfa_serial)}")
    parts.append({"vault": "kept in the vault", "memory": "kept in memory", "none": "not cached"}[step.cache])
    return ", ".join(parts)


def format_duration(seconds: int) -> str:
    """A duration as `parse_duration` reads it: `15m`, `1h30m`, `20s`."""
    hours, minutes = divmod(seconds // 60, 60)
    parts = ((hours, "h"), (minutes, "m"), (seconds % 60, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count) or "0s"
