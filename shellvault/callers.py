"""What each kind of caller gets: the rules of config.toml and of a profile, and what a session is narrowed to. Pure."""

import json
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from shellvault.actors import KINDS, Actor, Kind, plain
from shellvault.errors import ConfigError

#: From the widest to the strictest.
Rule = Literal["allow", "read-only", "ask", "refuse"]
RULES: tuple[Rule, ...] = ("allow", "read-only", "ask", "refuse")

#: What holds where nothing is configured; and for production, unless the profile itself says otherwise.
USUAL: Mapping[Kind, Rule] = {"person": "allow", "coding-agent": "ask", "background": "allow"}
PRODUCTION: Mapping[Kind, Rule] = {"coding-agent": "ask", "background": "ask"}

#: How an ApprovalNeededError ends.
MUST_ALLOW = ": a person must allow it"

#: The longest reason that is shown, in characters: a tag's value may have 256.
REASON_LIMIT = 200

#: Value of a request's `read-only` that also keeps secrets back.
NO_SECRETS = "no-secrets"

#: What reads secrets, or makes credentials that outlive or widen the session. Sources: Service Authorization Reference,
#: the actions whose replies hold passwords, tokens, keys or the environment of functions.
SECRETS = (
    "apigateway:GET",
    "codeartifact:GetAuthorizationToken",
    "cognito-identity:GetCredentialsForIdentity",
    "cognito-identity:GetOpenIdToken*",
    "ec2-instance-connect:*",
    "ec2:GetPasswordData",
    "ecr-public:GetAuthorizationToken",
    "ecr:GetAuthorizationToken",
    "glue:GetConnection*",
    "iam:CreateAccessKey",
    "iam:*LoginProfile",
    "iam:*ServiceSpecificCredential",
    "kms:Decrypt",
    "kms:GenerateDataKey*",
    "kms:ReEncrypt*",
    "lambda:GetFunction*",
    "lambda:ListFunctions",
    "lightsail:DownloadDefaultKeyPair",
    "lightsail:GetInstanceAccessDetails",
    "rds-db:connect",
    "redshift-serverless:GetCredentials",
    "redshift:GetClusterCredentials*",
    "secretsmanager:*GetSecretValue",
    "ssm:GetParameter*",
    "sso:GetRoleCredentials",
    "sts:AssumeRole*",
    "sts:GetFederationToken",
    "sts:GetSessionToken",
)


class Label(NamedTuple):
    """What a request line says of its caller: the field `actor`."""

    kind: Kind
    program: str = ""
    """Of a coding agent."""
    run: str = ""
    """Of a coding agent: what tells one run of the program from another."""

    def __str__(self) -> str:
        return ":".join(part for part in self if part)


PERSON = Label("person")


def label(text: str) -> Label:
    """The label that a field `actor` holds; "" is a person's. Raises ValueError."""
    if not text:
        return PERSON
    kind, *more = text.split(":")
    found = next((known for known in KINDS if known == kind), None)
    if found is None or len(more) not in (0, 2) or any(part != plain(part) for part in more):
        raise ValueError("not an actor")
    return Label(found, *more)


def label_of(actor: Actor) -> Label:
    """What a request line says of an actor."""
    if actor.kind == "coding-agent":
        return Label(actor.kind, actor.program, actor.run)
    return Label(actor.kind)


def fields_of(actor: Actor, reason: object = "") -> dict[str, str]:
    """What a request line says of its caller: `actor`, and of a coding agent the `reason` that its session shows."""
    if actor.is_person:
        return {}
    said = tag_value(reason) if actor.kind == "coding-agent" and isinstance(reason, str) else ""
    return {"actor": str(label_of(actor))} | ({"reason": said} if said else {})


def tag_value(text: str) -> str:
    """The text with what AWS takes in a session tag's value (STS API reference, Tag); other characters become `-`."""
    kept = "".join(char if char.isalnum() or char in " _.:/=+-@" else "-" for char in text)
    return kept.strip()[:REASON_LIMIT]


def rules(general: Mapping[str, str], of_profile: str, *, is_production: bool) -> dict[Kind, Rule]:
    """The rule for each kind of caller; `general` is `[callers]` of config.toml, `of_profile` `shellvault_callers`.

    Raises ConfigError for a kind or rule that does not exist.
    """
    words = of_profile.replace(",", " ").split()
    own = dict(word.partition(":")[::2] for word in words)
    configured = _checked(general, "[callers] in config.toml")
    production = PRODUCTION if is_production else {}
    return {**USUAL, **configured, **production, **_checked(own, "shellvault_callers")}


def _checked(given: Mapping[str, str], where: str) -> dict[Kind, Rule]:
    found: dict[Kind, Rule] = {}
    for kind, rule in given.items():
        known_kind = next((known for known in KINDS if known == kind), None)
        known_rule = next((known for known in RULES if known == rule), None)
        if known_kind is None or known_rule is None:
            raise ConfigError(
                f"{where}: {kind!a} = {rule!a} is no rule: use {', '.join(KINDS)} with {', '.join(RULES)}"
            )
        found[known_kind] = known_rule
    return found


def without_secrets(also: Iterable[str] = ()) -> str:
    """The session policy that keeps secrets back, as JSON without blanks; `also` are more actions to deny."""
    actions = [*SECRETS, *sorted(set(also) - set(SECRETS))]
    statement = {"Effect": "Deny", "Action": actions, "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, separators=(",", ":"))
