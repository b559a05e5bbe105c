"""Resolves a profile: applies inheritance and overrides, checks every value, resolves its sources.

Precedence of each field: command line > environment > own section > included profiles > `[default]`. Identity
keys (`settings.IDENTITY_KEYS`) are the exception: `[default]` does not give them to other profiles.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from shellvault.display import printable
from shellvault.errors import ConfigError
from shellvault.profiles import remarks
from shellvault.profiles.grammar import word
from shellvault.profiles.model import (
    CREDENTIAL_SOURCES,
    INSTANCE_METADATA_KEYS,
    SERVICES,
    CredentialSource,
    Durations,
    Narrowing,
    Profile,
    Service,
    Sso,
)
from shellvault.profiles.narrowing import of_profile
from shellvault.profiles.parse import ConfigFile, Section
from shellvault.profiles.secrets_engine import secrets_engine
from shellvault.profiles.settings import (
    SOURCE_KEYS,
    Layers,
    Setting,
    check_chain,
    check_understood,
    find_in,
    layers_of,
)
from shellvault.profiles.shapes import (
    duration,
    profile_variables,
    seconds,
    session_tags,
    shaped,
    transitive_tags,
    truth,
)

#: The scopes of a new sso-session: with them AWS gives a refresh token.
USUAL_SCOPES = ("sso:account:access",)


@dataclass(frozen=True, slots=True)
class Overrides:
    """Values that beat the config file: command-line options, and the variables of `request.OVERRIDES`."""

    region_flag: str | None = None
    duration_flag: int | None = None
    """Seconds."""
    environment: Mapping[str, str] = field(default_factory=dict)
    narrowing: Narrowing | None = None
    """Replaces all session policies of the profile."""


#: What a call to STS is made with, besides the role and the MFA device.
_STS_KEYS = (
    "duration_seconds",
    "external_id",
    "role_session_name",
    "session_tags",
    "source_identity",
    "web_identity_token_file",
    "web_identity_token_process",
)


@dataclass(frozen=True, slots=True)
class _Lookup:
    """The places from which the fields of one profile come."""

    config: ConfigFile
    layers: Layers
    overrides: Overrides
    is_target: bool

    def variable(self, name: str) -> Setting | None:
        text = self.overrides.environment.get(name)
        return Setting(text, name, "environment") if text else None

    def find(self, key: str, *variables: str) -> Setting | None:
        """The first of `variables` that is set, else the config file's `key`."""
        return next(filter(None, map(self.variable, variables)), None) or self.layers.find(key)

    def find_for_target(self, key: str, variable: str) -> Setting | None:
        """As `find`, but the variable counts only for the requested profile, not for its sources."""
        return self.find(key, variable) if self.is_target else self.find(key)


def resolve(config: ConfigFile, name: str, overrides: Overrides) -> Profile:
    """Profile `name` with, in `source`, the profiles that it takes its credentials from.

    A name without a section resolves too (`defined` is False): it may have stored keys. Raises ConfigError,
    naming file and line or variable, for circular or missing references and for values that AWS would refuse.
    """
    return _resolve(config, name, overrides, (), None)


def resolve_sso_session(config: ConfigFile, name: str, overrides: Overrides) -> Profile:
    """The `[sso-session NAME]` as a profile without an account, with the settings of `[default]`.

    Raises ConfigError for one that is incomplete, KeyError for none.
    """
    section = config.sso_sessions[name]
    start_url, region, scopes = (
        find_in(section, key, config.path)
        for key in ("sso_start_url", "sso_region", "sso_registration_scopes")
    )
    if not start_url or not region:
        where = config.at(section.line)
        raise ConfigError(f"{where}: [sso-session {printable(name)}] needs sso_start_url and sso_region")
    places = _places((start_url, region, scopes))
    sso = Sso(shaped(start_url, "url"), shaped(region, "region"), None, None, name, _scopes(scopes), places)
    return replace(_resolve(config, name, overrides, (), None), sso=sso)


def resolve_new_sso_session(
    config: ConfigFile, name: str, start_url: str, region: str, overrides: Overrides
) -> Profile:
    """As `resolve_sso_session`, for a section that is not in the file yet. Raises ConfigError."""
    sso = Sso(
        shaped(Setting(start_url, "start URL", "flag"), "url"),
        shaped(Setting(region, "region of IAM Identity Center", "flag"), "region"),
        None,
        None,
        name,
        USUAL_SCOPES,
    )
    return replace(_resolve(config, name, overrides, (), None), sso=sso)


def _scopes(setting: Setting | None) -> tuple[str, ...]:
    return tuple(filter(None, map(str.strip, setting.text.split(",")))) if setting else ()


def _places(settings: Iterable[Setting | None]) -> dict[str, str]:
    """`FILE:LINE` of each setting of the config file, by its key."""
    found = [setting.name.rpartition(": ") for setting in settings if setting and setting.origin == "config"]
    return {key: place for place, _, key in found}


def _resolve(
    config: ConfigFile, name: str, overrides: Overrides, users: tuple[str, ...], mention: Setting | None
) -> Profile:
    """`users` are the profiles that have this one as their source, `mention` the setting that names it."""
    lookup = _Lookup(config, layers_of(config, name), overrides, is_target=not users)
    reference = lookup.find("source_profile")
    source = None
    if reference and reference.text != name:  # a profile that is its own source has keys in the vault
        check_chain((*users, name), reference.text, reference)
        source = _resolve(config, reference.text, overrides, (*users, name), reference)
    return _build(lookup, name, source, mention)


def _build(lookup: _Lookup, name: str, source: Profile | None, mention: Setting | None) -> Profile:
    section = lookup.config.profiles.get(name)
    named = mention.name if mention else None
    region, endpoint = _region(lookup), _endpoint_url(lookup)
    fips = lookup.find("use_fips_endpoint", "AWS_USE_FIPS_ENDPOINT")
    dualstack = lookup.find("use_dualstack_endpoint", "AWS_USE_DUALSTACK_ENDPOINT")
    role_arn = lookup.find_for_target("role_arn", "AWS_ROLE_ARN")
    tags = lookup.find_for_target("session_tags", "AWS_SESSION_TAGS")
    transitive = lookup.find_for_target("transitive_session_tags", "AWS_TRANSITIVE_TAGS")
    checked_tags = session_tags(tags) if tags else ()
    mfa_process = _text(lookup.find("mfa_process"), "command")
    unsupported = _unsupported(lookup, name)
    return Profile(
        name=name,
        defined=section is not None,
        source=source,
        region=_text(region, "region"),
        region_origin=region.origin if region else "none",
        own_region=_text(lookup.layers.find("region"), "region"),
        endpoint_url=_text(endpoint, "url"),
        endpoint_url_origin=endpoint.origin if endpoint else "none",
        service_endpoint_urls=_service_endpoint_urls(lookup),
        use_fips_endpoint=truth(fips) if fips else None,
        use_fips_endpoint_origin=fips.origin if fips else "none",
        use_dualstack_endpoint=truth(dualstack) if dualstack else None,
        use_dualstack_endpoint_origin=dualstack.origin if dualstack else "none",
        sts_regional_endpoints=_sts_regional_endpoints(lookup),
        ca_bundle=_text(_ca_bundle(lookup), "text"),
        mfa_serial=_text(lookup.find("mfa_serial", "AWS_MFA_SERIAL"), "mfa_serial"),
        mfa_process=mfa_process or (source.mfa_process if source else None),
        role_arn=_text(role_arn, "role_arn"),
        external_id=_text(lookup.find("external_id"), "external_id"),
        role_session_name=_text(
            lookup.find_for_target("role_session_name", "AWS_ROLE_SESSION_NAME"), "session_name"
        ),
        source_identity=_text(
            lookup.find_for_target("source_identity", "AWS_SOURCE_IDENTITY"), "session_name"
        ),
        session_tags=checked_tags,
        transitive_session_tags=transitive_tags(transitive, checked_tags) if transitive else (),
        durations=_durations(lookup),
        sso=_sso(lookup),
        login_session=_text(lookup.find("login_session"), "login_session"),
        web_identity_token_file=_text(lookup.find("web_identity_token_file"), "text"),
        web_identity_token_process=_text(lookup.find("web_identity_token_process"), "command"),
        credential_process=_text(lookup.find("credential_process"), "command"),
        credential_source=_credential_source(lookup),
        engine=secrets_engine(lookup.find, lookup.variable),
        sources={key: shaped(found, "text") for key in SOURCE_KEYS if (found := lookup.find(key))},
        narrowing=_narrowing(lookup),
        callers=_text(lookup.find("shellvault_callers"), "text"),
        agent_role=_text(lookup.find("shellvault_agent_role"), "role_arn"),
        wants_reason=_wants_reason(lookup.find("shellvault_reason")),
        variables=_variables(lookup),
        instance_metadata={
            key: shaped(setting, "text")
            for key in INSTANCE_METADATA_KEYS
            if (setting := lookup.find(key)) is not None
        },
        notes=tuple(_notes(lookup, name, section, role_arn, unsupported)),
        where=lookup.config.at(section.line) if section else named,
        places=_sts_places(lookup, role_arn),
        unsupported=unsupported,
    )


def _sts_places(lookup: _Lookup, role_arn: Setting | None) -> dict[str, str]:
    """The places of what a call to STS is made with; of a variable its name."""
    serial = lookup.find("mfa_serial", "AWS_MFA_SERIAL")
    found = {"role_arn": role_arn, "mfa_serial": serial} | {key: lookup.find(key) for key in _STS_KEYS}
    return {
        key: setting.name.rpartition(": ")[0] or setting.name for key, setting in found.items() if setting
    }


def _wants_reason(setting: Setting | None) -> bool:
    if setting and setting.text != "required":
        raise setting.error("is not `required`")
    return setting is not None


def _text(setting: Setting | None, kind: str) -> str | None:
    return shaped(setting, kind) if setting else None


def _credential_source(lookup: _Lookup) -> CredentialSource | None:
    setting = lookup.find("credential_source")
    if setting is None:
        return None
    if lookup.find("source_profile"):
        raise setting.error("cannot be combined with source_profile: remove one of the two")
    known = {source.lower(): source for source in CREDENTIAL_SOURCES}
    if setting.text.lower() not in known:
        raise setting.error(f"is none of {', '.join(CREDENTIAL_SOURCES)}")
    return known[setting.text.lower()]


def _narrowing(lookup: _Lookup) -> Narrowing | None:
    if lookup.is_target and lookup.overrides.narrowing:
        return lookup.overrides.narrowing
    read_only, policy_file = lookup.find("shellvault_read_only"), lookup.find("shellvault_policy")
    _text(policy_file, "text")
    is_read_only = (read_only, truth(read_only)) if read_only else None
    return of_profile(is_read_only, lookup.find("shellvault_policy_arns"), policy_file)


def _variables(lookup: _Lookup) -> Mapping[str, str]:
    setting = lookup.find("shellvault_env")
    return profile_variables(setting) if setting else {}


def _region(lookup: _Lookup) -> Setting | None:
    if lookup.overrides.region_flag:
        return Setting(lookup.overrides.region_flag, "--region", "flag")
    return lookup.find("region", "AWS_REGION", "AWS_DEFAULT_REGION")


def _durations(lookup: _Lookup) -> Durations:
    """`-d`, else SHELLVAULT_DURATION or AWS_VAULT_DURATION, is for all sessions and beats their own settings.

    `shellvault_duration` in the config file is for all sessions, too; the variables of single sessions beat it.
    """

    def of(variable: str) -> int | None:
        setting = lookup.variable(variable)
        return duration(setting) if setting else None

    asked = lookup.overrides.duration_flag or of("SHELLVAULT_DURATION") or of("AWS_VAULT_DURATION")
    own, configured = lookup.find("shellvault_duration"), lookup.find("duration_seconds")
    usual = duration(own) if own else None
    return Durations(
        assume_role=asked
        or of("AWS_ASSUME_ROLE_TTL")
        or usual
        or (seconds(configured) if configured else None),
        session_token=asked or of("AWS_SESSION_TOKEN_TTL") or usual,
        chained_session_token=asked or of("AWS_CHAINED_SESSION_TOKEN_TTL") or usual,
        federation_token=of("AWS_FEDERATION_TOKEN_TTL"),
    )


def _sso(lookup: _Lookup) -> Sso | None:
    """Identity Center settings; the `[sso-session]` beats the profile. Raises ConfigError if incomplete."""
    path, reference = lookup.config.path, lookup.find("sso_session")
    session = lookup.config.sso_sessions.get(reference.text) if reference else None
    if reference and not session:
        raise reference.error("has no [sso-session] section in this file: add one, or correct the name")

    if session:
        check_understood(session)

    def of(key: str) -> Setting | None:
        return (find_in(session, key, path) if session else None) or lookup.find(key)

    start_url, region = of("sso_start_url"), of("sso_region")
    account, role = lookup.find("sso_account_id"), lookup.find("sso_role_name")
    used = next(filter(None, (reference, start_url, account, role)), None)
    if not used:
        return None
    if not start_url or not region:
        raise used.error("also needs sso_start_url and sso_region: give the profile an sso_session")
    scopes = find_in(session, "sso_registration_scopes", path) if session else None
    return Sso(
        start_url=shaped(start_url, "url"),
        region=shaped(region, "region"),
        account_id=_text(account, "account"),
        role_name=_text(role, "role_name"),
        session_name=reference.text if reference else None,
        registration_scopes=_scopes(scopes),
        places=_places((start_url, region, account, role, scopes)),
    )


def _sts_regional_endpoints(lookup: _Lookup) -> str | None:
    value = _text(
        lookup.find("sts_regional_endpoints", "AWS_STS_REGIONAL_ENDPOINTS"), "sts_regional_endpoints"
    )
    return value and value.lower()


def _ca_bundle(lookup: _Lookup) -> Setting | None:
    """As in botocore: the variable of the `requests` library comes after AWS's own settings."""
    return lookup.find("ca_bundle", "AWS_CA_BUNDLE") or lookup.variable("REQUESTS_CA_BUNDLE")


def _ignores_endpoint_urls(lookup: _Lookup) -> bool:
    setting = lookup.find("ignore_configured_endpoint_urls", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
    return truth(setting) if setting else False


def _endpoint_url(lookup: _Lookup) -> Setting | None:
    return None if _ignores_endpoint_urls(lookup) else lookup.find("endpoint_url", "AWS_ENDPOINT_URL")


def _service_endpoint_urls(lookup: _Lookup) -> dict[str, str]:
    """The endpoints that are set for single services, in the order of botocore's ConfiguredEndpointProvider:

    the service's own variable, AWS_ENDPOINT_URL, its block in the profile's `[services]` section, then `endpoint_url`.
    """
    services = _services(lookup)
    if _ignores_endpoint_urls(lookup):
        return {}
    found = ((service, _service_endpoint(lookup, services, service)) for service in SERVICES)
    return {service: shaped(setting, "url") for service, setting in found if setting}


def _service_endpoint(lookup: _Lookup, services: Section | None, service: Service) -> Setting | None:
    key = service.replace("-", "_")
    if own := lookup.variable(f"AWS_ENDPOINT_URL_{key.upper()}"):
        return own
    block = services.values.get(key) if services else None
    url = block.get("endpoint_url") if isinstance(block, Mapping) else None
    if not services or not url or lookup.variable("AWS_ENDPOINT_URL"):
        return None
    return Setting(url, f"{lookup.config.at(services.lines[key])}: {key}", "config")


def _services(lookup: _Lookup) -> Section | None:
    reference = lookup.find("services")
    section = lookup.config.services.get(reference.text) if reference else None
    if reference and not section:
        raise reference.error("has no [services] section in this file: add one, or correct the name")
    if section:
        check_understood(section)
    return section


def _unsupported(lookup: _Lookup, name: str) -> str | None:
    add = f"`shellvault add {word(name)}`"
    ways = {
        "aws_access_key_id": f"is plain text and not read: store the key with {add}, then delete it here",
    }
    mistaken = lookup.config.others.get(name)
    if mistaken and name not in lookup.config.profiles:
        return f"{lookup.config.at(mistaken.line)}: this is a profile only as [profile {printable(name)}]"
    settings = ((lookup.find(key), way) for key, way in ways.items())
    return next((f"{setting.name} {way}" for setting, way in settings if setting), None)


def _notes(
    lookup: _Lookup, name: str, section: Section | None, role_arn: Setting | None, unsupported: str | None
) -> list[str]:
    config = lookup.config
    notes = [*config.notes] if lookup.is_target else []
    reference = lookup.find("sso_session")
    session = config.sso_sessions.get(reference.text) if reference else None
    for layer in (*lookup.layers.own, *([session] if session else ())):
        notes += (*layer.notes, *remarks.of_section(config, layer))
    if lookup.is_target and name != "default":
        for layer in lookup.layers.inherited:
            notes += filter(None, (layer.problem, *layer.notes, *remarks.of_section(config, layer)))
    if role_arn and role_arn.origin == "environment":
        notes.append(f"{role_arn.name} is set and decides the role")
    services = _services(lookup)
    asked = {service.replace("-", "_") for service in SERVICES}
    others = ", ".join(key for key in services.values if key not in asked) if services else ""
    if services and others:
        where = config.at(services.line)
        notes.append(f"{where}: the endpoints of {printable(others)} are not exported to commands")
    if unsupported:
        notes.append(unsupported)
    return notes
