"""What a caller may have of a profile: its rule, and a session narrowed and marked by that rule."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from shellvault import here, session_marks, settings
from shellvault.callers import MUST_ALLOW, PERSON, RULES, Label, Rule, label, rules, without_secrets
from shellvault.display import PRODUCTION_VARIABLE, is_production, printable
from shellvault.errors import ApprovalNeededError, ConfigError, NotAllowedError
from shellvault.profiles.model import Marks, Narrowing, Profile
from shellvault.sessions.about import account_and_role

#: The variables of request fields that have another name.
_VARIABLES = {"config": "AWS_CONFIG_FILE", "home": "HOME"}

#: The field `grant` of a caller whose lease is for other profiles, and of one whose lease has ended.
NOT_LEASED, LEASE_ENDED = "none", "ended"


def for_caller(profile: Profile, fields: Mapping[str, str], environment: Mapping[str, str]) -> Profile:
    """The profile as the caller of a request may use it, marked with the caller.

    Raises NotAllowedError, ApprovalNeededError where a person has to allow it first, and ConfigError.
    """
    caller = _label(fields)
    if caller.kind != "person" and "no-session" in fields:
        _check_keys(caller, profile)
    grant = fields.get("grant", "")
    if grant == NOT_LEASED:
        raise NotAllowedError(
            f"{printable(profile.name)} is not part of this lease: start the command with --lease-for "
            f"{printable(profile.name)}"
        )
    has_ended = grant == LEASE_ENDED
    own = [name for name in fields.get("own", "").split(",") if name]
    rule = "allow" if grant and not has_ended else rule_for(profile, caller, environment, own)
    if has_ended and (rule != "ask" or caller == PERSON):
        raise NotAllowedError("the lease that this runs below has ended: start the command again")
    if rule == "refuse":
        raise NotAllowedError(
            f"{_named(caller)} may not use {printable(profile.name)} (shellvault_callers, [callers] in config.toml)"
        )
    if rule == "ask" and caller != PERSON:
        raise ApprovalNeededError(
            f"{_named(caller)} wants {described(profile)}{_by(own, fields)}{MUST_ALLOW}"
        )
    if rule == "read-only":
        profile = _read_only(profile, fields)
    return _marked(profile, caller, fields, environment)


def wants(profile: Profile, fields: Mapping[str, str], environment: Mapping[str, str]) -> list[str]:
    """The fields of request.SAID that a command must send for a session of this profile. Raises ConfigError."""
    caller = _label(fields)
    is_asked = (
        caller == PERSON and not fields.get("grant") and rule_for(profile, caller, environment) == "ask"
    )
    return [*(["reason"] if profile.wants_reason else []), *(["yes"] if is_asked else [])]


def rule_for(
    profile: Profile, caller: Label, environment: Mapping[str, str], own: Sequence[str] = ()
) -> Rule:
    """The rule of this caller for this profile. Raises ConfigError.

    `own` names the fields of its request that no person has said (agent.said). They make no rule wider: with them a
    coding agent has to ask, and every caller that names its own settings.
    """
    said = settings.load(environment)
    patterns = (said.production_patterns, environment.get(PRODUCTION_VARIABLE, said.production_patterns))
    is_special = any(is_production(profile.name, given) for given in patterns)
    found = rules(said.callers, profile.callers or "", is_production=is_special)[caller.kind]
    if not own:
        return found
    general = rules(said.callers, "", is_production=is_special)[caller.kind]
    has_to_ask = caller.kind == "coding-agent" or "XDG_CONFIG_HOME" in own
    return max(found, "ask" if has_to_ask else general, key=RULES.index)


def described(profile: Profile) -> str:
    """A profile in a question: its name, and its account and role if known."""
    account, role = account_and_role(profile)
    more = [part for part in (account and f"account {account}", role and f"role {role}") if part]
    return printable(profile.name) + (f" ({', '.join(map(printable, more))})" if more else "")


def secrets_policy(environment: Mapping[str, str]) -> str:
    """The session policy that keeps secrets back, with what config.toml adds. Raises ConfigError."""
    return without_secrets(settings.load(environment).secrets)


def _label(fields: Mapping[str, str]) -> Label:
    try:
        return label(fields.get("actor", ""))
    except ValueError as error:
        raise NotAllowedError("this request does not say clearly what asks: run the command again") from error


def _named(caller: Label) -> str:
    return caller.program if caller.program else f"a {caller.kind} program"


def _by(own: Sequence[str], fields: Mapping[str, str]) -> str:
    """What a question says of the caller's own fields, and "" for none."""
    named = (f"{_VARIABLES.get(name, name)}={printable(fields.get(name, ''))}" for name in own)
    return f" by its own {', '.join(named)}" if own else ""


def _check_keys(caller: Label, profile: Profile) -> None:
    if caller.kind == "coding-agent":
        raise NotAllowedError(
            f"long-term keys of {printable(profile.name)} are for a person alone: run it in your own terminal"
        )


def _read_only(profile: Profile, fields: Mapping[str, str]) -> Profile:
    """The profile with a session that only reads, and no secrets. Raises ConfigError if it has another policy."""
    own = profile.narrowing
    if own and own.is_narrow and not own.read_only:
        raise ConfigError(
            f"{printable(own.where)}: this caller gets {printable(profile.name)} read-only, and AWS would add a second "
            "policy up: leave it out"
        )
    narrowing = Narrowing(read_only=True, no_secrets=True, where="the rule of this caller (read-only)")
    if profile.agent_role and not profile.role_arn:
        # What AWS cannot narrow is narrowed by a role assumed from it.
        profile = replace(profile, role_arn=profile.agent_role)
    return replace(profile, narrowing=narrowing)


def _marked(
    profile: Profile, caller: Label, fields: Mapping[str, str], environment: Mapping[str, str]
) -> Profile:
    """The profile whose sessions show a coding agent, at AWS and in the User-Agent of SDKs. Raises ConfigError."""
    if caller.kind != "coding-agent":
        return profile
    variables = {**profile.variables, "AWS_EXECUTION_ENV": f"shellvault-{caller.program}"}
    marking = session_marks.marking(settings.load(environment).marks)
    # What the program has set in its own environment says nothing of the person that it acts for.
    name = None if "AWS_ROLE_SESSION_NAME" in fields else profile.role_session_name
    identity = None if "AWS_SOURCE_IDENTITY" in fields else profile.source_identity
    person = session_marks.person(here.login_name())
    marks = Marks(
        None if identity else session_marks.filled(marking.source_identity, person, caller) or None,
        session_marks.tags_of(marking, caller, fields.get("reason", "")),
        marking.is_required,
    )
    return replace(
        profile,
        variables=variables,
        role_session_name=session_marks.filled(marking.session_name, name or person, caller),
        source_identity=identity,
        marks=marks,
    )
