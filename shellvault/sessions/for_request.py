"""From a request line to a session, for a command without an agent and for the agent's worker."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from shellvault import guard, here, settings
from shellvault import plan as plans
from shellvault.callers import NO_SECRETS
from shellvault.display import printable
from shellvault.errors import ConfigError, NotForAgentError, UsageError
from shellvault.fastlane import request
from shellvault.plan import Plan
from shellvault.plan.regions import near
from shellvault.profiles.durations import parse_duration
from shellvault.profiles.model import Profile
from shellvault.profiles.narrowing import of_command_line
from shellvault.profiles.parse import load
from shellvault.profiles.policy_files import with_policies
from shellvault.profiles.resolve import Overrides, resolve
from shellvault.sessions.acquire import KeysReplacedError, acquire
from shellvault.sessions.cache import SessionCache
from shellvault.sessions.confirmation import Policy, confirm_keys, hands_out_keys
from shellvault.sessions.context import MIN_REMAINING, Context
from shellvault.sessions.model import Prompter, Session
from shellvault.sessions.permission import for_caller, secrets_policy

if TYPE_CHECKING:
    from shellvault.vault import Vault


@dataclass(frozen=True, slots=True)
class Parsed:
    """A parsed request line: the profile, and the fields as `request.decode` gives them."""

    profile: str
    fields: Mapping[str, str]

    @property
    def config(self) -> Path:
        """The AWS config file."""
        return Path(self.fields["config"])


@dataclass(frozen=True, slots=True)
class Acquired:
    """A session, with the profile and the plan that it came from."""

    profile: Profile
    plan: Plan
    session: Session
    files: tuple[Path, ...]
    """The files that decided the plan: when one changes, the request must be worked out again."""


def acquire_for_request(
    asked: Parsed,
    planned: tuple[Profile, Plan],
    vault: "Vault",
    cache: SessionCache,
    prompter: Prompter,
    context: Context,
    required: Policy,
) -> Acquired:
    """The session of the request `asked`, as `plan_for_request` planned it. Raises any ShellvaultError.

    Long-term keys are handed out only as `required` allows, and to commands that share our namespaces. If keys were
    replaced since then, the plan is made again, once. The line's own min-remaining (else AWS_MIN_TTL)
    overrides that of `context`; helper processes always get the line's config file, home and overriding variables.
    """
    try:
        return _acquired(asked, planned, vault, cache, prompter, context, required)
    except KeysReplacedError as error:
        vault.mend_key_index(error.name)
        planned = plan_for_request(asked, vault.stored_keys(), context.environment, context.directory)
        return _acquired(asked, planned, vault, cache, prompter, context, required)


def _acquired(
    asked: Parsed,
    planned: tuple[Profile, Plan],
    vault: "Vault",
    cache: SessionCache,
    prompter: Prompter,
    context: Context,
    required: Policy,
) -> Acquired:
    fields = asked.fields
    profile, plan = planned
    if hands_out_keys(plan) and not guard.is_allowed("hand-out", lambda: context.is_local):
        raise NotForAgentError(guard.ELSEWHERE)
    confirm_keys(plan, vault, prompter, required)
    context = replace(
        context,
        environment=environment_of(fields, context.environment),
        min_remaining=min_remaining(fields, context.min_remaining),
        regions=_regions(profile),
    )
    session = acquire(plan, vault, cache, prompter, context)
    return Acquired(profile, plan, session, (asked.config,))


def plan_for_request(
    asked: Parsed,
    stored: Mapping[str, str],
    environment: Mapping[str, str],
    directory: str | None = None,
    *,
    narrows: bool = True,
    permits: bool = True,
) -> tuple[Profile, Plan]:
    """The plan of the request `asked`; `stored` maps names with long-term keys to their key ids.

    `environment` is the command's own: `credential_source = Environment` takes the keys from there.
    Relative paths of the profile start in `directory`, else in the current one. `narrows`: see `plan.Options`.
    `permits`: whether the caller's rule applies (sessions.permission), as for a session that is handed out.
    """
    fields, home = asked.fields, asked.fields.get("home")
    profile = _located(profile_for_request(asked), directory or here.working_directory(), home)
    _check_region(profile)
    if permits and narrows:
        profile = for_caller(profile, fields, environment)
    if narrows:
        profile = with_policies(profile, asked.config.parent, home)
    options = plans.Options(
        "no-session" in fields,
        "console" in fields,
        environment.get("AWS_ACCESS_KEY_ID") or None,
        "insecure-endpoint" in fields or settings.load(environment).insecure_endpoint,
        narrows,
        secrets_policy(environment) if profile.narrowing and profile.narrowing.no_secrets else None,
    )
    return profile, plans.build(profile, stored, options)


def check_caller(asked: Parsed, environment: Mapping[str, str]) -> None:
    """Checks that the caller may have what it requests, before opening or looking up anything.

    Raises NotAllowedError, ApprovalNeededError, and ConfigError for a profile that cannot be used at all.
    """
    for_caller(profile_for_request(asked), asked.fields, environment)


def profile_for_request(asked: Parsed) -> Profile:
    """The requested profile, relative paths unchanged. Raises ConfigError."""
    return resolve(load(asked.config), asked.profile, overrides_of(asked.fields))


def environment_of(fields: Mapping[str, str], around: Mapping[str, str]) -> dict[str, str]:
    """The environment of a request: its fields, and the rest from `around`."""
    environment = {name: value for name, value in around.items() if name not in request.OVERRIDES}
    environment |= {name: fields[name] for name in request.OVERRIDES if name in fields}
    environment["AWS_CONFIG_FILE"] = fields["config"]
    if fields.get("home"):
        environment["HOME"] = fields["home"]
    return environment


def min_remaining(fields: Mapping[str, str], default: float = MIN_REMAINING) -> float:
    """The seconds that a session must have left to be used for a request. Raises ConfigError."""
    asked = fields.get("min-remaining") or fields.get("AWS_MIN_TTL")
    return parse_duration(asked) if asked else default


def parsed(request_line: str) -> Parsed:
    """The request of a line. Raises UsageError for an invalid line."""
    try:
        return Parsed(*request.decode(request_line))
    except ValueError as error:
        raise UsageError("this is not a request for a session: run `shellvault env` again") from error


def overrides_of(fields: Mapping[str, str]) -> Overrides:
    """What overrides the config file in a request. Raises ConfigError."""
    read_only = fields.get("read-only")
    narrowing = of_command_line(
        bool(read_only),
        fields.get("policy-arns", ""),
        fields.get("policy"),
        no_secrets=read_only == NO_SECRETS,
    )
    duration = parse_duration(fields["duration"]) if "duration" in fields else None
    wishes = {variable: fields[variable] for variable in request.OVERRIDES if variable in fields}
    return Overrides(fields.get("region"), duration, wishes, narrowing)


def _check_region(profile: Profile) -> None:
    """Raises ConfigError for a region that is probably a mistyped AWS region."""
    is_aws = not (profile.endpoint_url or profile.service_endpoint_urls)
    if is_aws and profile.region and (meant := near(profile.region)):
        raise ConfigError(f"there is no region {printable(profile.region)}: did you mean {meant}?")


def _located(profile: Profile, directory: str, home: str | None) -> Profile:
    """The profile and the profiles its credentials come from, with absolute paths."""
    server = profile.engine and profile.engine.server
    if profile.engine and server and server.ca:
        located = replace(server, ca=absolute(server.ca, directory, home))
        profile = replace(profile, engine=replace(profile.engine, server=located))
    return replace(
        profile,
        source=profile.source and _located(profile.source, directory, home),
        ca_bundle=profile.ca_bundle and absolute(profile.ca_bundle, directory, home),
        web_identity_token_file=profile.web_identity_token_file
        and absolute(profile.web_identity_token_file, directory, home),
    )


def absolute(path: str, directory: str, home: str | None) -> str:
    """The path of a user's setting, relative to a folder; `~` alone or before a slash is the home."""
    if home and (path == "~" or path.startswith("~/")):
        return home + path[1:]
    return str(Path(directory, path))


def _regions(profile: Profile | None) -> dict[str, str]:
    if profile is None:
        return {}
    return _regions(profile.source) | ({profile.name: profile.region} if profile.region else {})
