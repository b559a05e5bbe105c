"""The options that `env`, `exec`, `export` and `why` share, and the session request they add up to."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from shellvault import here
from shellvault.browser import NO_BROWSER
from shellvault.callers import NO_SECRETS
from shellvault.errors import UsageError
from shellvault.fastlane import request
from shellvault.profiles.narrowing import of_command_line
from shellvault.profiles.policy_files import read_policy
from shellvault.vault.backends import BACKENDS

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """What a person asked for on the command line, in the environment it was asked in."""

    profile: str
    options: Mapping[str, str]
    """By the names of request.OPTIONS; what decides the session itself."""
    environment: Mapping[str, str] = field(repr=False)
    mfa_token: str | None = field(repr=False, default=None)
    fresh: bool = False
    prompt: str | None = None
    debug: bool = False
    agent: bool = True
    reason: str = ""
    """Why: for the person that may be asked to allow it, and for the history."""
    is_confirmed: bool = False
    """Whether a person has just allowed it."""

    @property
    def line(self) -> str:
        """The request line."""
        return here.request_line(self.profile, self.options, self.environment)

    def with_options(self, more: Mapping[str, str]) -> "SessionRequest":
        """The same with more options."""
        return replace(self, options={**self.options, **more})


_BACKEND = click.option(
    "--backend", type=click.Choice(BACKENDS), help="Where keys are kept (default: as configured)."
)
_REGION = click.option("--region", metavar="REGION", help="The AWS region, instead of the profile's.")
_PLAN = (
    click.option("-d", "--duration", metavar="TIME", help="How long sessions last: 15m, 1h30m, 12h."),
    click.option(
        "-n", "--no-session", is_flag=True, help="Use the long-term keys themselves, without GetSessionToken."
    ),
    _REGION,
    _BACKEND,
    click.option(
        "--read-only", is_flag=True, help="A session that may only read: narrowed to AWS's ReadOnlyAccess."
    ),
    click.option(
        "--no-secrets", is_flag=True, help="The same, and neither secrets nor keys can be read with it."
    ),
    click.option(
        "--policy",
        metavar="FILE",
        help="A session that may do no more than the policy in FILE (JSON) allows.",
    ),
    click.option(
        "--policy-arn",
        "policy_arns",
        metavar="ARN",
        multiple=True,
        help="The same with a managed policy; may be given up to ten times.",
    ),
    click.option(
        "--insecure-endpoint", is_flag=True, help="Allow an endpoint_url of another machine without TLS."
    ),
)
_ACQUIRE = (
    click.option("-t", "--mfa-token", metavar="CODE", help="The MFA code, instead of being asked for it."),
    click.option(
        "--prompt",
        metavar="DRIVER",
        help="What asks: terminal, none, ykman, pinentry, kdialog, zenity, osascript, wincredui.",
    ),
    click.option(
        "--min-remaining", metavar="TIME", help="Replace a session with less life left (default: 5m)."
    ),
    click.option("--fresh", is_flag=True, help="Get a new session even if a cached one would do."),
    click.option(
        "--no-agent", is_flag=True, help="Do everything in this process (also SHELLVAULT_NO_AGENT=1)."
    ),
    click.option("--reason", metavar="TEXT", help="Why: shown where a person is asked to allow it."),
    click.option("--debug", is_flag=True, help="Show the steps on stderr, with secrets masked."),
)


def backend_option(function: Decorated) -> Decorated:
    """Adds `--backend`, for the commands that use the vault but no session."""
    return _BACKEND(function)


def plan_options(function: Decorated) -> Decorated:
    """Adds the options that decide which calls are made."""
    for option in reversed(_PLAN):
        function = option(function)
    return function


def session_options(function: Decorated) -> Decorated:
    """Adds the options of every command that gets a session."""
    for option in reversed(_PLAN + _ACQUIRE):
        function = option(function)
    return function


def server_option(function: Decorated) -> Decorated:
    """Adds `--server`, for the commands that can hand out an endpoint instead of keys."""
    return click.option(
        "-s",
        "--server",
        "--ecs-server",
        is_flag=True,
        help="Give an endpoint on this machine instead of keys; SDKs refresh from it.",
    )(function)


def link_option(function: Decorated) -> Decorated:
    """Adds `--stdout`, as aws-vault calls it, for the commands that may have to sign in on their way."""
    return click.option(
        "--stdout",
        "link_only",
        is_flag=True,
        envvar=["SHELLVAULT_STDOUT", "AWS_VAULT_STDOUT"],
        help="Show the link to sign in with, and open no browser.",
    )(function)


def known_names(environment: Mapping[str, str]) -> list[str]:
    """The profiles of the config file and the names with stored keys, without opening the vault."""
    from shellvault.profiles.parse import load

    configured = load(here.config_file(environment)).profile_names
    return list(dict.fromkeys([*configured, *here.stored_names(environment)]))


def typed(context: click.Context) -> list[str]:
    """The words of the command line again, in its canonical form: options, then arguments."""
    words, arguments = [], []
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        if isinstance(parameter, click.Argument) and isinstance(value, str):
            arguments.append(value)
        elif isinstance(value, tuple):
            words += [word for each in value for word in (max(parameter.opts, key=len), str(each))]
        elif context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE:
            words += [max(parameter.opts, key=len), *([] if value is True else [str(value)])]
    return [*words, *arguments]


def narrowing(given: Mapping[str, Any]) -> dict[str, str]:
    """The request's options that narrow the session; `given` as for `session_request`. Raises ShellvaultError."""
    file, arns = given.get("policy"), given.get("policy_arns") or ()
    if not all(map(str.strip, arns)):
        # An empty variable of a script must not mean a session without bounds.
        raise UsageError("--policy-arn: an empty value is not the ARN of a managed policy")
    options = {
        "policy": "" if file is None else read_policy(file, "--policy"),
        "policy-arns": " ".join(arns),
        "read-only": NO_SECRETS if given.get("no_secrets") else "1" if given.get("read_only") else "",
    }
    found = {option: value for option, value in options.items() if value}
    # Here too, so that what is wrong is said before anything is asked.
    of_command_line("read-only" in found, found.get("policy-arns", ""), found.get("policy"))
    return found


def session_request(profile: str | None, given: Mapping[str, Any]) -> SessionRequest:
    """The session request that the command line adds up to; `given` holds the parameters of `session_options` by name.

    Without a name the profile is AWS_PROFILE's, or a person chooses one on the terminal; raises NeedsPersonError
    where there is none. The name `-` is the previous one. A session that is chosen again is narrowed as before, unless
    the command line narrows it.
    """
    environment = dict(os.environ)
    inherited: dict[str, str] = {}
    if profile == "-":
        from shellvault.cli import profile_choices

        profile, inherited = profile_choices.before(environment)
    name = profile or environment.get("AWS_PROFILE") or environment.get("AWS_DEFAULT_PROFILE")
    if not name:
        from shellvault.cli import first_steps, profile_choices
        from shellvault.dialogue import picker

        names = known_names(environment)
        first_steps.require_any(names)
        name = picker.pick(profile_choices.profiles(names, environment), "profile")
        inherited = request.narrowing(name, environment)
    options = {
        "backend": given.get("backend") or "",
        "duration": given.get("duration") or "",
        "min-remaining": given.get("min_remaining") or "",
        "insecure-endpoint": "1" if given.get("insecure_endpoint") else "",
        "no-session": "1" if given.get("no_session") else "",
        "region": given.get("region") or "",
        **(narrowing(given) or _said(name, inherited)),
    }
    if given.get("link_only"):
        environment["SHELLVAULT_BROWSER"] = NO_BROWSER
    return SessionRequest(
        profile=name,
        options={option: value for option, value in options.items() if value},
        environment=environment,
        mfa_token=given.get("mfa_token"),
        fresh=bool(given.get("fresh")),
        prompt=given.get("prompt"),
        debug=bool(given.get("debug")),
        reason=given.get("reason") or "",
        agent=not given.get("no_agent") and here.agent_allowed(environment),
    )


def _said(name: str, inherited: dict[str, str]) -> dict[str, str]:
    """The options that narrow a session as an earlier one was; prints them for the person."""
    if inherited:
        from shellvault.dialogue import output

        output.note(f"{name}: narrowed as before ({request.narrowing_words(inherited).strip()})")
    return inherited
