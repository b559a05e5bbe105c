"""What the agent, its worker and a command by itself may be asked to do: one table for all three.

It says which callers may ask (only those in our own namespaces, or also a container that has the socket), and what a
person has to confirm. The agent imports this module, so it stays small.
"""

from collections.abc import Callable
from typing import NamedTuple

from shellvault.fastlane import request


class Confirmation(NamedTuple):
    """What a person is asked before an operation, where `confirm` requires it."""

    question: str
    """For a keyring, with `{}` for the subject; it is answered by y or n."""
    reason: str
    """Why the passphrase of an encrypted file is asked for, though the file is open."""


class Rule(NamedTuple):
    """The rule of one operation."""

    from_anywhere: bool = False
    """Whether callers in other namespaces may ask for it, too."""
    confirmation: Confirmation | None = None
    by_agents: bool = False
    """Whether coding agents may ask for it; everything else is for callers that no coding agent started."""
    changes_keys: bool = False
    """Whether it changes what the agent's sessions are made from."""


#: Messages to the agent's socket (docs/protocol.md); `text` is each of those that a shell can write.
MESSAGES = {
    "text": Rule(from_anywhere=True, by_agents=True),
    "session": Rule(from_anywhere=True, by_agents=True),
    "endpoint": Rule(from_anywhere=True, by_agents=True),
    "vault": Rule(from_anywhere=True, by_agents=True),
    "status": Rule(by_agents=True),
    "forget": Rule(),
    "lock": Rule(by_agents=True),
    "revoke": Rule(by_agents=True),
    "stop": Rule(),
    # Approvals by a person (agent.approvals), which decides by the question which caller may answer.
    "questions": Rule(by_agents=True),
    "permits": Rule(by_agents=True),
    "approve": Rule(by_agents=True),
    "deny": Rule(by_agents=True),
    "end-permit": Rule(by_agents=True),
    "lease": Rule(by_agents=True),
}

#: Operations on the vault: the `vault` messages.
VAULT_OPERATIONS = {
    "list": Rule(from_anywhere=True, by_agents=True),
    "save": Rule(changes_keys=True),
    # It replaces nothing.
    "save-new": Rule(changes_keys=True),
    "remove": Rule(
        confirmation=Confirmation("Remove the long-term keys of {}?", "long-term keys are removed"),
        changes_keys=True,
    ),
    "clear": Rule(changes_keys=True),
    "rotate": Rule(
        confirmation=Confirmation("Replace the long-term keys of {} in AWS?", "new long-term keys are made"),
        changes_keys=True,
    ),
    "prove": Rule(),
    "back-up": Rule(),
    "restore": Rule(
        confirmation=Confirmation(
            "Write the long-term keys back into {}?", "long-term keys are written into a file"
        )
    ),
    "forget-sign-ins": Rule(),
    "unlock": Rule(),
    "orphans": Rule(),
    "remove-orphans": Rule(),
}

#: What a `session` message does with a sign-in as such (`signin.actions`), in place of a session's form.
SIGN_INS = {"sign-in": Rule(), "sign-out": Rule(), "new-login": Rule(), "sso-token": Rule()}

#: Operations that show only during a request, or that only a command does.
FOUND_LATER = {
    "hand-out": Rule(
        confirmation=Confirmation("Hand out the long-term keys of {}?", "long-term keys are handed out")
    ),
    "replace": Rule(
        confirmation=Confirmation("Replace the stored keys of {}?", "stored keys are replaced"),
        changes_keys=True,
    ),
    "passphrase": Rule(),
    "migrate": Rule(confirmation=Confirmation("Copy the long-term keys of {}?", "long-term keys are copied")),
}

OPERATIONS = {**MESSAGES, **VAULT_OPERATIONS, **SIGN_INS, **FOUND_LATER}

#: What a request from other namespaces may contain. Everything else names a file, a host or a program, and such a
#: caller gets only those that the agent finds itself.
SAID_FROM_ANYWHERE = frozenset(
    {
        "AWS_ASSUME_ROLE_TTL",
        "AWS_CHAINED_SESSION_TOKEN_TTL",
        "AWS_DEFAULT_REGION",
        "AWS_FEDERATION_TOKEN_TTL",
        "AWS_MIN_TTL",
        "AWS_REGION",
        "AWS_SESSION_TOKEN_TTL",
        "AWS_USE_DUALSTACK_ENDPOINT",
        "AWS_USE_FIPS_ENDPOINT",
        "AWS_VAULT_BACKEND",
        "AWS_VAULT_DURATION",
        "SHELLVAULT_BACKEND",
        "SHELLVAULT_CONFIRM",
        "SHELLVAULT_DURATION",
        "backend",
        "console",
        "duration",
        "min-remaining",
        "no-session",
        "policy",
        "policy-arns",
        "read-only",
        "region",
    }
)

#: What a coding agent may say in a request without a question about it: the fields that choose neither a rule, a role
#: nor a host. A call to STS is signed for the host that it goes to.
FREE = SAID_FROM_ANYWHERE | {
    "AWS_ENDPOINT_URL_STS",
    "AWS_ROLE_SESSION_NAME",
    "AWS_STS_REGIONAL_ENDPOINTS",
    *request.GIVEN,
}

#: Variables that set a call's proxies and trusted certificates. A call that makes keys ignores its caller's values
#: unless a person has confirmed it.
NETWORK_VARIABLES = (
    "ALL_PROXY",
    "AWS_CA_BUNDLE",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_IAM",
    "AWS_ENDPOINT_URL_SSO",
    "AWS_ENDPOINT_URL_SSO_OIDC",
    "AWS_ENDPOINT_URL_STS",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "all_proxy",
    "http_proxy",
    "https_proxy",
)

#: The refusal for a coding agent.
FOR_A_PERSON = "a person is needed: run this in your own terminal, not by a coding agent"

#: The refusal for a caller in other namespaces.
ELSEWHERE = "the agent does this only for commands outside of containers"


def is_for_agents(operation: str) -> bool:
    """Whether coding agents may ask for it. Raises KeyError for an unknown operation."""
    return OPERATIONS[operation].by_agents


def is_allowed(operation: str, is_local: Callable[[], bool]) -> bool:
    """Whether a caller may ask, by its namespaces. Raises KeyError for an unknown operation."""
    return OPERATIONS[operation].from_anywhere or is_local()
