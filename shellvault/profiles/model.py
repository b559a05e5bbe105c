"""A profile after inheritance and overrides."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

#: Where a value came from: the command line, the environment, the config file, or nowhere.
Origin = Literal["flag", "environment", "config", "none"]


#: The AWS services for sessions, keys and sign-ins, by their names in botocore. A variable
#: (AWS_ENDPOINT_URL_SSO_OIDC) and a `[services]` section (`sso_oidc`) have `_` in place of `-`.
Service = Literal["sts", "iam", "sso", "sso-oidc", "signin"]
SERVICES: tuple[Service, ...] = get_args(Service)


#: The sources that `credential_source` may name, as in botocore.
CredentialSource = Literal["Environment", "Ec2InstanceMetadata", "EcsContainer"]
CREDENTIAL_SOURCES: tuple[CredentialSource, ...] = get_args(CredentialSource)

#: The keys that botocore's metadata fetcher takes from a profile.
INSTANCE_METADATA_KEYS = (
    "ec2_metadata_service_endpoint",
    "ec2_metadata_service_endpoint_mode",
    "ec2_metadata_v1_disabled",
)


@dataclass(frozen=True, slots=True)
class Sso:
    """IAM Identity Center settings of a profile."""

    start_url: str
    region: str
    account_id: str | None
    role_name: str | None
    session_name: str | None = None
    registration_scopes: tuple[str, ...] = ()
    places: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    """`FILE:LINE` of each of these settings, by its key, for messages."""


@dataclass(frozen=True, slots=True)
class EngineServer:
    """A HashiCorp Vault or OpenBao server, as the variables of its own command describe it."""

    address: str
    namespace: str | None = None
    ca: str | None = None
    """The file or folder of the certificates that it is checked against."""
    skip_verify: bool = False
    """Whether its certificate is not checked at all."""


@dataclass(frozen=True, slots=True)
class SecretsEngine:
    """A role of an AWS secrets engine, which gives AWS credentials on a lease."""

    role: str
    mount: str = "aws"
    endpoint: Literal["creds", "sts"] = "creds"
    server: EngineServer | None = None
    """None where VAULT_ADDR is not set."""

    @property
    def path(self) -> str:
        """Where its credentials are read, below `/v1`."""
        return f"{self.mount}/{self.endpoint}/{self.role}"


@dataclass(frozen=True, slots=True)
class Durations:
    """Requested lifetimes in seconds; None where neither config nor environment asks for one."""

    assume_role: int | None = None
    session_token: int | None = None
    chained_session_token: int | None = None
    federation_token: int | None = None


@dataclass(frozen=True, slots=True)
class Narrowing:
    """The session policies of a request or profile; an empty one asks for none and overrides a profile's."""

    read_only: bool = False
    policy_arns: tuple[str, ...] = ()
    policy: str | None = None
    """JSON without blanks."""
    no_secrets: bool = field(default=False, repr=False)
    """Whether reading secrets is denied, too; only with `read_only`."""
    policy_file: str | None = None
    """The path of the policy, for one that the config file names."""
    where: str = ""
    """The option or key, for messages: `--read-only`, `FILE:LINE: shellvault_read_only`."""

    @property
    def is_narrow(self) -> bool:
        """Whether anything is asked for."""
        return bool(self.read_only or self.policy_arns or self.policy or self.policy_file)

    @property
    def label(self) -> Literal["", "ro", "policy"]:
        """The short form for a prompt (SHELLVAULT_NARROWED)."""
        if self.read_only:
            return "ro"
        return "policy" if self.is_narrow else ""


@dataclass(frozen=True, slots=True)
class Marks:
    """What shows the caller in a role's session, besides the session's name (shellvault.session_marks)."""

    source_identity: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    is_required: bool = False
    """Whether there is no session where AWS does not take them."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile as it will be used. `source` is the resolved `source_profile`, None when there is none."""

    name: str
    defined: bool
    """False for a name that has no section in the config file (it may still have stored keys)."""
    source: "Profile | None" = None
    region: str | None = None
    region_origin: Origin = "none"
    own_region: str | None = None
    """The `region` of the config file, without command line and environment."""
    endpoint_url: str | None = None
    endpoint_url_origin: Origin = "none"
    service_endpoint_urls: Mapping[str, str] = field(default_factory=dict)
    """By service (names of SERVICES): each beats `endpoint_url` for its service."""
    use_fips_endpoint: bool | None = None
    use_fips_endpoint_origin: Origin = "none"
    use_dualstack_endpoint: bool | None = None
    use_dualstack_endpoint_origin: Origin = "none"
    sts_regional_endpoints: str | None = None
    ca_bundle: str | None = None
    mfa_serial: str | None = None
    mfa_process: str | None = None
    role_arn: str | None = None
    external_id: str | None = None
    role_session_name: str | None = None
    source_identity: str | None = None
    session_tags: tuple[tuple[str, str], ...] = ()
    transitive_session_tags: tuple[str, ...] = ()
    marks: Marks | None = None
    """Those of its caller, which no file gives."""
    durations: Durations = field(default_factory=Durations)
    sso: Sso | None = None
    login_session: str | None = None
    """The ARN of the principal that signs in to AWS (`aws login`)."""
    web_identity_token_file: str | None = None
    web_identity_token_process: str | None = None
    credential_process: str | None = None
    credential_source: CredentialSource | None = None
    engine: SecretsEngine | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    """What our own keys say of where its credentials come from (`settings.SOURCE_KEYS`)."""
    narrowing: Narrowing | None = None
    """The session policies that this profile asks for; None: it does not mention them."""
    callers: str | None = None
    """The rules for each kind of caller (shellvault.callers), as text."""
    agent_role: str | None = None
    """The role that coding agents assume, where AWS cannot narrow the session itself."""
    wants_reason: bool = False
    """Whether a session requires a reason."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """More environment variables for programs of this profile."""
    instance_metadata: Mapping[str, str] = field(default_factory=dict)
    """Settings for EC2's metadata service: the keys of INSTANCE_METADATA_KEYS that are set."""
    notes: tuple[str, ...] = ()
    """Things a person should know about this profile, one line each (for `why` and `--debug`)."""
    where: str | None = None
    """`FILE:LINE` of its section; without one, the `FILE:LINE: source_profile` that names it, if any."""
    places: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    """`FILE:LINE` (or the variable) of the settings that AWS STS may refuse, by their key, for messages."""
    unsupported: str | None = None
    """Why the AWS CLI has credentials for it and shellvault has none: the error when nothing else gives any."""
