"""The environment variables that a session consists of, and the change from one environment to the next."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field

from shellvault import callers_terminal
from shellvault.protocol import HAS_VAULT_TOKEN

#: Everything `env` may set. `leave` puts each back as it was.
SESSION_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_SESSION_EXPIRATION",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_ACCOUNT_ID",
    "AWS_VAULT",
    "SHELLVAULT_VARIABLES",
    "SHELLVAULT_NARROWED",
    "SHELLVAULT_LEASED",
    "SHELLVAULT_EXPIRES_AT",
    "SHELLVAULT_REFRESH_AT",
    "SHELLVAULT_NEEDS_YOU_AT",
    "SHELLVAULT_REQUEST",
    "SHELLVAULT_REGION",
    "SHELLVAULT_ENDPOINT_URL",
    "SHELLVAULT_USE_FIPS_ENDPOINT",
    "SHELLVAULT_USE_DUALSTACK_ENDPOINT",
)

#: The session itself: what a container endpoint hands out instead.
CREDENTIAL_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ACCOUNT_ID",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_SESSION_EXPIRATION",
    "SHELLVAULT_EXPIRES_AT",
    "SHELLVAULT_REFRESH_AT",
    "SHELLVAULT_NEEDS_YOU_AT",
)

#: Everything an SDK would prefer to the session, or mix up with it; `env` and `exec` unset these.
OVERRIDING_VARIABLES = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_SCOPE",
    "AWS_CREDENTIAL_FILE",
    "AWS_SDK_LOAD_CONFIG",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
)

#: What a snippet saves on entering and restores on leaving, besides the profile's own variables.
MANAGED_VARIABLES = SESSION_VARIABLES + OVERRIDING_VARIABLES

#: What only shellvault itself may read: no child process inherits these.
PRIVATE_VARIABLES = (
    "SHELLVAULT_FILE_PASSPHRASE",
    "AWS_VAULT_FILE_PASSPHRASE",
    "AWS_VAULT_OP_CONNECT_TOKEN",
    "AWS_VAULT_OP_SERVICE_ACCOUNT_TOKEN",
)

#: Those that hold a passphrase, so that no person is asked.
PASSPHRASE_VARIABLES = ("SHELLVAULT_FILE_PASSPHRASE", "AWS_VAULT_FILE_PASSPHRASE")


#: Credentials that a command was started with: never sent to the agent.
SECRET_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "VAULT_TOKEN",
)


def setting_of(name: str, environment: Mapping[str, str]) -> str | None:
    """The variable SHELLVAULT_`name`, else aws-vault's of that name; None where neither is set."""
    return environment.get(f"SHELLVAULT_{name}") or environment.get(f"AWS_VAULT_{name}") or None


def for_children(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment that another program may inherit."""
    return {name: value for name, value in environment.items() if name not in PRIVATE_VARIABLES}


def for_programs(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a program that we run and that may have a person to ask: it finds the caller's terminal."""
    return callers_terminal.added(for_children(environment))


def for_agent(environment: Mapping[str, str]) -> dict[str, str]:
    """What helper programs and calls to AWS may need: everything but credentials and what is private."""
    environment = callers_terminal.added(environment)
    hidden = {*SECRET_VARIABLES, *PRIVATE_VARIABLES, HAS_VAULT_TOKEN}
    mark = {HAS_VAULT_TOKEN: "1"} if environment.get("VAULT_TOKEN") else {}
    return {name: value for name, value in environment.items() if name not in hidden} | mark


def without_session(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what a session of ours has put there; a region or endpoint of the user's stays."""
    if "SHELLVAULT_REQUEST" not in environment:
        return dict(environment)
    of_profile = environment.get("SHELLVAULT_VARIABLES", "").split()
    ours = {
        *SESSION_VARIABLES,
        *of_profile,
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    }
    marks = {
        "AWS_REGION": "SHELLVAULT_REGION",
        "AWS_DEFAULT_REGION": "SHELLVAULT_REGION",
        "AWS_ENDPOINT_URL": "SHELLVAULT_ENDPOINT_URL",
    }
    users = {name for name, mark in marks.items() if environment.get(name) != environment.get(mark)}
    return {name: value for name, value in environment.items() if name not in ours - users}


@dataclass(frozen=True, slots=True)
class Change:
    """What a session does to an environment: variables to set, and variables to unset."""

    set: Mapping[str, str] = field(repr=False)
    unset: tuple[str, ...] = ()

    def with_endpoint(self, endpoint: Mapping[str, str]) -> "Change":
        """The same session behind a container endpoint: its variables instead of the credentials."""
        return self._instead(CREDENTIAL_VARIABLES, endpoint)

    def with_name(self, profile: str) -> "Change":
        """The name of the profile in AWS_PROFILE instead of its session: programs get their own."""
        ours = [name for name in self.set if name.startswith("SHELLVAULT_")]
        return self._instead((*CREDENTIAL_VARIABLES, *ours), {"AWS_PROFILE": profile})

    def _instead(self, left_out: Container[str], added: Mapping[str, str]) -> "Change":
        kept = {name: value for name, value in self.set.items() if name not in left_out}
        changed = kept | dict(added)
        touched = dict.fromkeys((*self.set, *self.unset))
        return Change(changed, tuple(name for name in touched if name not in changed))
