"""From a profile to the ordered calls that give its session. Pure: reads nothing, calls nothing.

The rules are those of aws-vault (its README, "Roles and MFA") with these mended: a plan asks for at most
one MFA code, and whatever is assumed from temporary credentials is capped at one hour, as AWS demands.

Sources: the AWS STS API reference (GetSessionToken, AssumeRole, AssumeRoleWithWebIdentity,
GetFederationToken) and the IAM User Guide, "Role chaining".
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from shellvault.display import printable
from shellvault.errors import ConfigError, UnknownProfileError
from shellvault.loopback import is_loopback_url
from shellvault.plan.endpoints import AWS, Endpoint, endpoint_for, partition_of
from shellvault.plan.model import HOUR, LONGEST, Call, Options, Plan, Step, fingerprinted
from shellvault.profiles.durations import format_duration
from shellvault.profiles.model import CredentialSource, Narrowing, Profile, SecretsEngine, Sso
from shellvault.profiles.narrowing import MAX_CHARACTERS, read_only_access
from shellvault.profiles.unknown import how_to_get

#: The calls that only the partition answers in which they are made.
_PROVES_PARTITION: tuple[Call, ...] = ("get-session-token", "assume-role", "get-federation-token")

_MINIMUM = 15 * 60
_CHAINED_SESSION_TOKEN = 8 * HOUR

#: The calls that take session policies, and why the others give no narrower session (API references).
_TAKES_POLICIES: tuple[Call, ...] = ("assume-role", "assume-role-with-web-identity", "get-federation-token")
_A_ROLE = "use a profile with a role_arn, whose session can be"
_WITHOUT_POLICIES: Mapping[Call, str] = {
    "stored-keys": f"AWS takes no session policy with long-term keys: {_A_ROLE}",
    "get-session-token": f"AWS takes no session policy with GetSessionToken: {_A_ROLE}",
    "sso": "AWS takes no session policy with sso:GetRoleCredentials: choose a permission set that allows less, or "
    "a role_arn that is assumed from this one",
    "aws-sign-in": f"AWS takes no session policy with a sign-in: {_A_ROLE}",
    "credential-process": f"whoever gives these credentials (credential_process) decides what they allow: {_A_ROLE}",
    "credential-source": f"whoever gives these credentials (credential_source) decides what they allow: {_A_ROLE}",
    "secrets-engine": "the Vault role decides what these credentials allow: name another shellvault_vault_role, or "
    f"{_A_ROLE}",
}


def build(profile: Profile, stored: Mapping[str, str], options: Options) -> Plan:
    """The plan for `profile`, where `stored` maps the names that have long-term keys to their access key ids.

    Raises ConfigError when the profile has no credentials, or asks for a lifetime that AWS does not give.
    """
    chain = _chain(profile, stored)
    root, said = chain[0], partition_of(reversed(chain))
    partition = said or "aws"
    notes = [note for member in chain for note in member.notes]
    if root.name in stored:
        steps = [_stored_keys(root, stored[root.name])]
        if (session_token := _session_token(chain, options, partition)) is not None:
            steps.append(_shared(steps, session_token, root))
    else:
        steps = _first_calls(root, partition, options)
    for member in chain:
        if member.role_arn and not (member is root and steps[0].call == "assume-role-with-web-identity"):
            steps.append(_following(steps, _assume_role(member, steps[-1], partition)))
    if options.console and steps[-1].call == "stored-keys":
        steps.append(_following(steps, federation_token(profile, partition)))
    narrowing = _narrowing(chain) if options.narrows else Narrowing()
    if narrowing.is_narrow:
        steps[-1] = _narrowed(steps, _with_secrets_policy(narrowing, options), partition)
    _check_devices(steps)
    if not options.insecure_endpoint:
        _check_endpoints(steps)
    remarks = _remarks(chain, steps, narrowing)
    if any(step.call in _PROVES_PARTITION for step in steps):
        said = partition
    return Plan(profile.name, tuple(steps), tuple(dict.fromkeys([*notes, *remarks])), narrowing, said)


def _chain(profile: Profile, stored: Mapping[str, str]) -> tuple[Profile, ...]:
    """The profiles from the one with credentials of its own, stored keys before any other, to `profile`."""
    chain = [profile]
    while chain[0].name not in stored and chain[0].source is not None:
        chain.insert(0, chain[0].source)
    return tuple(chain)


def _stored_keys(root: Profile, access_key_id: str) -> Step:
    return fingerprinted(Step("stored-keys", root.name, "none", access_key_id=access_key_id), None)


def _session_token(chain: Sequence[Profile], options: Options, partition: str) -> Step | None:
    """GetSessionToken with the stored keys of the first in `chain`, where it is called for.

    On its own a user gets a session for an hour, by an alias with an MFA device of its own for eight. Before a
    role, a session is worth its call only when it carries the code that the role asks for too; and a single role
    for more than an hour is assumed by the keys themselves, since from a session it would be capped.
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
    return _limited(
        Step(
            "get-session-token",
            root.name,
            "vault",
            duration=duration,
            mfa_serial=serial,
            mfa_process=(root.mfa_process or chain[-1].mfa_process) if serial else None,
            endpoint=endpoint_for(root, "sts", partition=partition),
        )
    )


def _shared(steps: Sequence[Step], session_token: Step, root: Profile) -> Step:
    """The step `session_token`, which takes a session of the other usual lifetime too.

    A user's own session and the one before a role differ in nothing but their lifetime, and either costs a code.
    """
    step = _following(steps, session_token)
    durations = root.durations
    usual = {durations.session_token or HOUR, durations.chained_session_token or _CHAINED_SESSION_TOKEN}
    if step.mfa_serial is None or step.duration not in usual:
        return step
    others = [replace(session_token, duration=duration) for duration in usual if duration != step.duration]
    return replace(step, substitutes=tuple(_following(steps, other).fingerprint for other in others))


def _first_calls(root: Profile, partition: str, options: Options) -> list[Step]:
    """The steps that need no credentials before them, for a profile without stored keys."""
    has_token = root.web_identity_token_file or root.web_identity_token_process
    if root.engine is not None:
        return [secrets_engine(root, root.engine)]
    if root.credential_source and not has_token:
        step = _credential_source(root, root.credential_source, options)
    elif root.sso is not None:
        steps = [sso_sign_in(root, root.sso)]
        return [*steps, _following(steps, _sso(root, root.sso))]
    elif has_token:
        step = _web_identity(root, partition)
    elif root.login_session:
        return [aws_sign_in(root, root.login_session)]
    elif root.credential_process:
        step = Step("credential-process", root.name, "memory", credential_process=root.credential_process)
    else:
        raise _missing(root)
    return [fingerprinted(step, None)]


def sso_sign_in(root: Profile, sso: Sso) -> Step:
    """The sign-in to a portal, which all profiles of the same sso-session (else start URL) share."""
    everyones = replace(sso, account_id=None, role_name=None)
    endpoint = endpoint_for(root, "sso-oidc", sso.region)
    return fingerprinted(Step("sso-sign-in", root.name, "vault", sso=everyones, endpoint=endpoint), None)


def aws_sign_in(root: Profile, login_session: str) -> Step:
    """The sign-in to AWS as the principal whose ARN is `login_session`, in the region of the profile itself.

    It can be renewed only where it was made, so what one command says of the region does not count.
    """
    partition = login_session.split(":")[1] if login_session.count(":") > 4 else "aws"
    endpoint = endpoint_for(root, "signin", root.own_region if root.defined else None, partition)
    # No session of its own is cached: the sign-in itself has the credentials, and is in the vault.
    step = Step("aws-sign-in", root.name, "vault", login_session=login_session, endpoint=endpoint)
    return fingerprinted(step, None)


def secrets_engine(root: Profile, engine: SecretsEngine) -> Step:
    """What a role of a Vault's AWS secrets engine gives on a lease. Raises ConfigError without an address."""
    if engine.server is None:
        raise ConfigError(
            f"profile {printable(root.name)} has its credentials from Vault, and VAULT_ADDR is not set: "
            "`export VAULT_ADDR=https://…`"
        )
    duration = root.durations.session_token or root.durations.assume_role
    endpoint = Endpoint(AWS.region, engine.server.address, ca_bundle=engine.server.ca)
    step = Step("secrets-engine", root.name, "memory", duration=duration, engine=engine, endpoint=endpoint)
    return fingerprinted(step, None)


def _credential_source(root: Profile, source: CredentialSource, options: Options) -> Step:
    return Step(
        "credential-source",
        root.name,
        # What is in the environment is there as it is: to keep it would only keep what is old.
        "none" if source == "Environment" else "memory",
        access_key_id=options.environment_key_id if source == "Environment" else None,
        credential_source=source,
        instance_metadata=root.instance_metadata,
    )


def _sso(root: Profile, sso: Sso) -> Step:
    if not (sso.account_id and sso.role_name):
        raise ConfigError(
            f"profile {printable(root.name)} needs both sso_account_id and sso_role_name: add them"
        )
    return Step("sso", root.name, "memory", sso=sso, endpoint=endpoint_for(root, "sso", sso.region))


def _web_identity(root: Profile, partition: str) -> Step:
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
            endpoint=endpoint_for(root, "sts", partition=partition),
            web_identity_token_file=root.web_identity_token_file,
            web_identity_token_process=root.web_identity_token_process,
        )
    )


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


def _assume_role(member: Profile, before: Step, partition: str) -> Step:
    """AssumeRole for `member` with the credentials of the step `before`.

    Only a user's own credentials can carry a code: AWS takes none from a role, and after a session that was
    opened with a code none is needed. What credential_process or the environment gives may be a user's, so there
    it is sent.
    """
    may_be_users = (
        before.call in ("stored-keys", "credential-process") or before.credential_source == "Environment"
    )
    takes_code = may_be_users and member.mfa_serial is not None
    requested = member.durations.assume_role or HOUR
    # Key ids of users begin with AKIA (IAM User Guide, "IAM identifiers").
    is_users = before.call == "stored-keys" or (before.access_key_id or "").startswith("AKIA")
    capped = not is_users and requested > HOUR
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
            endpoint=endpoint_for(member, "sts", partition=partition),
        )
    )


def federation_token(profile: Profile, partition: str) -> Step:
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
            endpoint=endpoint_for(profile, "sts", partition=partition),
        )
    )


def assumed_role(profile: Profile, role_arn: str) -> Step:
    """AssumeRole of any `role_arn` with the session of `profile`: what a container may ask its endpoint for."""
    duration = min(profile.durations.assume_role or HOUR, HOUR)
    endpoint = endpoint_for(profile, "sts", partition=role_arn.split(":")[1] if ":" in role_arn else "aws")
    return Step("assume-role", profile.name, "none", role_arn=role_arn, duration=duration, endpoint=endpoint)


def _narrowing(chain: Sequence[Profile]) -> Narrowing:
    """What narrows the session of the last in `chain`: its own wish, else that of the one whose session it shares."""
    for member in reversed(chain):
        if member.narrowing is not None:
            return member.narrowing
        if member.role_arn:
            break
    return Narrowing()


def _with_secrets_policy(narrowing: Narrowing, options: Options) -> Narrowing:
    """ReadOnlyAccess allows, and a policy that only denies takes from it (IAM User Guide, "Session policies")."""
    return replace(narrowing, policy=options.secrets_policy) if narrowing.no_secrets else narrowing


def _narrowed(steps: Sequence[Step], narrowing: Narrowing, partition: str) -> Step:
    """The last step with session policies. Raises ConfigError for a call that takes none: never a wider session."""
    step = steps[-1]
    if step.call not in _TAKES_POLICIES:
        raise ConfigError(
            f"{printable(narrowing.where)}: the session of {printable(step.profile)} cannot be narrowed, since "
            f"{_WITHOUT_POLICIES[step.call]}"
        )
    # Roles say where they are, user keys and web identities may not.
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


def _limited(step: Step) -> Step:
    """The step as it is. Raises ConfigError when its lifetime is none that AWS gives.

    A loopback endpoint is an emulator, never AWS: there shorter ones are fine, so that expiry can be tested.
    """
    duration, maximum = step.duration or 0, LONGEST[step.call]
    minimum = 1 if is_loopback_url(step.endpoint.url or "") else _MINIMUM
    if not minimum <= duration <= maximum:
        raise ConfigError(
            f"profile {printable(step.profile)} asks for {format_duration(duration)}, but AWS gives "
            f"{format_duration(_MINIMUM)} to {format_duration(maximum)} for {step.call}: change the duration"
        )
    return step


def _check_endpoints(steps: Sequence[Step]) -> None:
    """Raises ConfigError for a call that would go over plain HTTP to another machine: anybody between reads it."""
    for step in steps:
        url = step.endpoint.url or ""
        if url.lower().startswith("http:") and not is_loopback_url(step.endpoint.url or ""):
            setting = "VAULT_ADDR" if step.engine else "its endpoint_url"
            raise ConfigError(
                f"profile {printable(step.profile)} sends {step.call} to {printable(url)} without encryption: correct "
                f"{setting}, or allow it with --insecure-endpoint (in config.toml: insecure_endpoint = true)"
            )


def _following(steps: Sequence[Step], step: Step) -> Step:
    return fingerprinted(replace(step, root_key_id=steps[0].access_key_id), steps[-1].fingerprint)


def _check_devices(steps: Sequence[Step]) -> None:
    """Raises ConfigError for a security key: what it signs goes to a browser, and the API takes codes alone."""
    for step in steps:
        if step.mfa_serial and ":u2f/" in step.mfa_serial:
            raise ConfigError(
                f"the mfa_serial of {printable(step.profile)} is a security key or passkey, which shows no code and "
                "works in a browser alone: sign in with `aws login` (login_session), or register an authenticator app "
                "too and name its ARN"
            )


def _remarks(chain: Sequence[Profile], steps: Sequence[Step], narrowing: Narrowing) -> list[str]:
    """What the plan leaves out or changes, one line each."""
    root, remarks = chain[0], []
    if steps[0].call == "stored-keys" and (
        root.source or root.sso or root.credential_process or root.credential_source or root.engine
    ):
        remarks.append(
            f"the stored keys of {printable(root.name)} are used, not its section's other credentials"
        )
    if steps[-1].call == "get-session-token" and steps[-1].mfa_serial is None:
        remarks.append(
            f"the session of {printable(root.name)} is opened without an MFA code: AWS lets it call neither IAM nor "
            "most of STS; set mfa_serial, or use --no-session where that is needed"
        )
    codes = {step.mfa_serial for step in steps}
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
        if step.engine and step.engine.server and step.engine.server.skip_verify:
            remarks.append("VAULT_SKIP_VERIFY is set: whoever answers at VAULT_ADDR gets the Vault token")
        if step.endpoint.fips and step.endpoint.url:
            remarks.append(
                f"use_fips_endpoint has no effect on {step.call}: the endpoint_url {step.endpoint.url} is asked"
            )
        if step.requested_duration:
            remarks.append(
                f"{printable(step.profile)} asks for {format_duration(step.requested_duration)} and gets "
                f"{format_duration(HOUR)}, AWS's limit for a role assumed from temporary credentials"
            )
    return remarks
