"""From a profile to the ordered calls that give its session. Pure: reads nothing, calls nothing.

The rules are those of aws-vault (its README, "Roles and MFA") with two corrections: a plan asks for at most
one MFA code, and a role assumed from temporary credentials is capped at one hour, as AWS demands.

Sources: the AWS STS API reference (GetSessionToken, AssumeRole, AssumeRoleWithWebIdentity,
GetFederationToken) and the IAM User Guide, "Role chaining".
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from shellvault.display import printable
from shellvault.errors import ConfigError, UnknownProfileError
from shellvault.loopback import is_loopback_url
from shellvault.plan.endpoints import endpoint_for, partition_of
from shellvault.plan.model import Plan
from shellvault.plan.options import Options
from shellvault.plan.steps import (
    HOUR,
    SOURCES,
    AssumeRole,
    FederationToken,
    Leased,
    NarrowableCall,
    SessionToken,
    Step,
    StoredKeys,
    WebIdentity,
    fingerprinted,
    following,
)
from shellvault.profiles.durations import format_duration
from shellvault.profiles.model import Narrowing, Profile
from shellvault.profiles.narrowing import MAX_CHARACTERS, read_only_access
from shellvault.profiles.unknown import how_to_get

_CHAINED_SESSION_TOKEN = 8 * HOUR


def build(profile: Profile, stored: Mapping[str, str], options: Options) -> Plan:
    """The plan for `profile`, where `stored` maps the names that have long-term keys to their access key ids.

    Raises ConfigError when the profile has no credentials, or asks for a lifetime that AWS does not give.
    """
    chain = _chain(profile, stored)
    root, said = chain[0], partition_of(reversed(chain))
    partition = said or "aws"
    notes = [note for member in chain for note in member.notes]
    if root.name in stored:
        steps: list[Step] = [fingerprinted(StoredKeys(root.name, access_key_id=stored[root.name]), None)]
        if (session_token := _session_token(chain, options, partition)) is not None:
            steps.append(_shared(steps, session_token, root))
    else:
        begun = (source.begin(root, partition, options) for source in SOURCES)
        steps = list(next(filter(None, begun), ()))
        if not steps:
            raise _missing(root)
    for member in chain:
        if member.role_arn and not (member is root and isinstance(steps[0], WebIdentity)):
            steps.append(following(steps, _assume_role(member, steps[-1], partition)))
    if options.console and isinstance(steps[-1], StoredKeys):
        steps.append(following(steps, federation_token(profile, partition)))
    narrowing = _narrowing(chain) if options.narrows else Narrowing()
    if narrowing.is_narrow:
        steps[-1] = _narrowed(steps, _with_secrets_policy(narrowing, options), partition)
    _check_marks(profile, steps[-1])
    _check_devices(steps)
    if not options.insecure_endpoint:
        _check_endpoints(steps)
    remarks = _remarks(chain, steps, narrowing)
    if any(step.proves_partition for step in steps):
        said = partition
    return Plan(profile.name, tuple(steps), tuple(dict.fromkeys([*notes, *remarks])), narrowing, said)


def _chain(profile: Profile, stored: Mapping[str, str]) -> tuple[Profile, ...]:
    """The profiles from the one with its own credentials (preferably stored keys) to `profile`."""
    chain = [profile]
    while chain[0].name not in stored and chain[0].source is not None:
        chain.insert(0, chain[0].source)
    return tuple(chain)


def _session_token(chain: Sequence[Profile], options: Options, partition: str) -> SessionToken | None:
    """GetSessionToken with the stored keys of the first in `chain`, where a session is needed.

    Without a role, a user's session lasts an hour, and eight through an alias with its own MFA device. Before a
    role, a session is made only when it carries the code that the role requires too. A single role for more than
    an hour is assumed with the keys themselves, since a session would cap it.
    """
    root, roles = chain[0], [member for member in chain if member.role_arn]
    if options.no_session or (options.console and not roles):
        return None
    if not roles:
        serial = next((member.mfa_serial for member in reversed(chain) if member.mfa_serial), None)
        durations = chain[-1].durations
        if len(chain) > 1 and chain[-1].mfa_serial:  # an alias: as long as a session before a role
            duration = durations.chained_session_token or _CHAINED_SESSION_TOKEN
        else:
            duration = durations.session_token or HOUR
    else:
        above = next((member for member in chain[1:] if member.role_arn), None)
        long_role = len(roles) == 1 and (roles[0].durations.assume_role or HOUR) > HOUR
        if above is None or long_role or root.mfa_serial is None or root.mfa_serial != above.mfa_serial:
            return None
        serial = root.mfa_serial
        duration = root.durations.chained_session_token or _CHAINED_SESSION_TOKEN
    step = SessionToken(
        root.name,
        duration=duration,
        mfa_serial=serial,
        mfa_process=(root.mfa_process or chain[-1].mfa_process) if serial else None,
        places=_device_place(chain, serial),
        endpoint=endpoint_for(root, "sts", partition=partition),
    )
    return step.checked()


def _device_place(chain: Sequence[Profile], serial: str | None) -> dict[str, str]:
    places = (member.places for member in chain if member.mfa_serial == serial)
    return next(({"mfa_serial": its["mfa_serial"]} for its in places if "mfa_serial" in its), {})


def _shared(steps: Sequence[Step], session_token: SessionToken, root: Profile) -> SessionToken:
    """The step `session_token`, which also accepts a cached session of the other usual lifetime.

    A user's own session and the one before a role differ only in their lifetime, and each costs a code.
    """
    step = following(steps, session_token)
    durations = root.durations
    usual = {durations.session_token or HOUR, durations.chained_session_token or _CHAINED_SESSION_TOKEN}
    if step.mfa_serial is None or step.duration not in usual:
        return step
    others = [replace(session_token, duration=duration) for duration in usual if duration != step.duration]
    return replace(step, substitutes=tuple(following(steps, other).fingerprint for other in others))


def _missing(root: Profile) -> ConfigError:
    name = printable(root.name)
    if root.unsupported:
        return ConfigError(f"profile {name} has no credentials: {root.unsupported}")
    where = f" ({printable(root.where)})" if root.where else ""
    if root.defined:
        return ConfigError(f"profile {name}{where} has no credentials: {how_to_get(root.name)}")
    return UnknownProfileError(
        f"profile {name}{where} has neither a section in the config file nor stored keys: {how_to_get(root.name)}"
    )


def _assume_role(member: Profile, before: Step, partition: str) -> AssumeRole:
    """AssumeRole for `member` with the credentials of the step `before`.

    Only a user's own credentials can carry a code: AWS accepts none from a role, and a session made with a code
    needs no other. Credentials of credential_process or the environment may be a user's, so the code is sent
    with them.
    """
    takes_code = before.may_be_users and member.mfa_serial is not None
    requested = member.durations.assume_role or HOUR
    # Key ids of users begin with AKIA (IAM User Guide, "IAM identifiers").
    is_users = isinstance(before, StoredKeys) or (before.access_key_id or "").startswith("AKIA")
    capped = not is_users and requested > HOUR
    step = AssumeRole(
        member.name,
        cache="vault" if takes_code else "memory",
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
        marks=member.marks,
        places=member.places,
        endpoint=endpoint_for(member, "sts", partition=partition),
    )
    return step.checked()


def federation_token(profile: Profile, partition: str) -> FederationToken:
    """GetFederationToken, the only way from long-term keys to a console sign-in without a role."""
    # The API accepts 2 to 32 of these characters.
    name = re.sub(r"[^\w+=,.@-]", "-", profile.name, flags=re.ASCII)[:32]
    step = FederationToken(
        profile.name,
        duration=profile.durations.federation_token or HOUR,
        session_name=name if len(name) > 1 else f"user-{name}",
        endpoint=endpoint_for(profile, "sts", partition=partition),
    )
    return step.checked()


def assumed_role(profile: Profile, role_arn: str) -> AssumeRole:
    """AssumeRole of any `role_arn` with the session of `profile`, as a container may request it."""
    duration = min(profile.durations.assume_role or HOUR, HOUR)
    endpoint = endpoint_for(profile, "sts", partition=role_arn.split(":")[1] if ":" in role_arn else "aws")
    return AssumeRole(
        profile.name,
        cache="none",
        role_arn=role_arn,
        duration=duration,
        session_name=profile.role_session_name if profile.marks else None,
        marks=profile.marks,
        endpoint=endpoint,
    )


def _narrowing(chain: Sequence[Profile]) -> Narrowing:
    """What narrows the session of the last in `chain`: its own setting, else that of the profile it shares one with."""
    for member in reversed(chain):
        if member.narrowing is not None:
            return member.narrowing
        if member.role_arn:
            break
    return Narrowing()


def _with_secrets_policy(narrowing: Narrowing, options: Options) -> Narrowing:
    """ReadOnlyAccess allows; a policy that only denies restricts it (IAM User Guide, "Session policies")."""
    return replace(narrowing, policy=options.secrets_policy) if narrowing.no_secrets else narrowing


def _narrowed(steps: Sequence[Step], narrowing: Narrowing, partition: str) -> Step:
    """The last step with session policies. Raises ConfigError for a call that takes none, as it would be wider."""
    step = steps[-1]
    if not isinstance(step, NarrowableCall):
        raise ConfigError(
            f"{printable(narrowing.where)}: the session of {printable(step.profile)} cannot be narrowed, since "
            f"{step.not_narrowed}"
        )
    # Roles name their partition, user keys and web identities may not.
    where = step.role_arn.split(":")[1] if step.role_arn else partition
    arns = (read_only_access(where),) if narrowing.read_only else narrowing.policy_arns
    size = len(narrowing.policy or "") + sum(map(len, arns))
    if size > MAX_CHARACTERS:
        raise ConfigError(
            f"{printable(narrowing.where)}: policy and ARNs have {size} characters together, and AWS takes "
            f"{MAX_CHARACTERS}: shorten the policy"
        )
    changed = replace(step, policy=narrowing.policy, policy_arns=arns)
    return fingerprinted(changed, steps[-2].fingerprint if len(steps) > 1 else None)


def _check_marks(profile: Profile, last: Step) -> None:
    """Raises ConfigError where the session must show its caller, and is none of a role that can."""
    if profile.marks and profile.marks.is_required and not isinstance(last, AssumeRole):
        raise ConfigError(
            f"AWS takes no SourceIdentity and tags with {last.call} (profile {printable(profile.name)}): use a profile "
            'with a role_arn, or allow sessions without them (refused = "unmarked" in [marks] of config.toml)'
        )


def _check_endpoints(steps: Sequence[Step]) -> None:
    """Raises ConfigError for a call over plain HTTP to another machine: the network in between could read it."""
    for step in steps:
        url = step.endpoint.url or ""
        if url.lower().startswith("http:") and not is_loopback_url(step.endpoint.url or ""):
            raise ConfigError(
                f"profile {printable(step.profile)} sends {step.call} to {printable(url)} without encryption: correct "
                f"{step.endpoint_setting}, or allow it with --insecure-endpoint (in config.toml: "
                "insecure_endpoint = true)"
            )


def _check_devices(steps: Sequence[Step]) -> None:
    """Raises ConfigError for a security key: it works only in a browser, and the API accepts only codes."""
    for step in steps:
        if step.device and ":u2f/" in step.device:
            raise ConfigError(
                f"the mfa_serial of {printable(step.profile)} is a security key or passkey, which shows no code and "
                "works in a browser alone: sign in with `aws login` (login_session), or register an authenticator app "
                "too and name its ARN"
            )


def _remarks(chain: Sequence[Profile], steps: Sequence[Step], narrowing: Narrowing) -> list[str]:
    """What the plan leaves out or changes, one line each."""
    root, remarks = chain[0], []
    if isinstance(steps[0], StoredKeys) and (
        root.source or root.sso or root.credential_process or root.credential_source or root.engine
    ):
        remarks.append(
            f"the stored keys of {printable(root.name)} are used, not its section's other credentials"
        )
    if isinstance(steps[-1], SessionToken) and steps[-1].mfa_serial is None:
        remarks.append(
            f"the session of {printable(root.name)} is opened without an MFA code: AWS lets it call neither IAM nor "
            "most of STS; set mfa_serial, or use --no-session where that is needed"
        )
    codes = {step.device for step in steps}
    for member in chain:
        if member.role_arn and member.mfa_serial and member.mfa_serial not in codes:
            remarks.append(
                f"the mfa_serial of {printable(member.name)} is unused: AWS takes codes only with user keys"
            )
        if member.narrowing and member.narrowing.is_narrow and not narrowing.is_narrow:
            remarks.append(
                f"{printable(member.narrowing.where)} is for the sessions of {printable(member.name)} itself: a role "
                "assumed from there is not narrowed by it"
            )
    for step in steps:
        if isinstance(step, Leased) and step.server.skip_verify:
            remarks.append(
                "VAULT_SKIP_VERIFY is set: any server that answers at VAULT_ADDR gets the Vault token"
            )
        if step.endpoint.fips and step.endpoint.url:
            remarks.append(
                f"use_fips_endpoint has no effect on {step.call}: the endpoint_url {step.endpoint.url} is asked"
            )
        if isinstance(step, AssumeRole) and step.requested_duration:
            remarks.append(
                f"{printable(step.profile)} asks for {format_duration(step.requested_duration)} and gets "
                f"{format_duration(HOUR)}, AWS's limit for a role assumed from temporary credentials"
            )
    return remarks
