"""`shellvault console`: the AWS management console in the browser, signed in with a session."""

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from shellvault import here, settings
from shellvault.browser import NO_BROWSER
from shellvault.browser.opener import open_link
from shellvault.cli import provider
from shellvault.cli.options import SessionRequest, narrowing, session_options, session_request
from shellvault.console import links
from shellvault.dialogue import output
from shellvault.errors import ShellvaultError, UsageError
from shellvault.fastlane import request
from shellvault.plan import Options, Plan, build
from shellvault.plan.regions import of_environment, partition_of_region
from shellvault.plan.steps import AssumeRole, StoredKeys, StsCall
from shellvault.profiles.durations import parse_duration
from shellvault.profiles.parse import ConfigFile, load
from shellvault.profiles.resolve import resolve
from shellvault.profiles.settings import layers_of
from shellvault.sessions.for_request import overrides_of, parsed, plan_for_request
from shellvault.sessions.model import Session
from shellvault.shells import forms
from shellvault.variables import Change


@dataclass(frozen=True, slots=True)
class SigningIn:
    """A sign-in to the console: with which session, and where."""

    session: Session
    partition: str
    region: str | None
    """The region to arrive at."""
    seconds: int | None = None
    """How long the console session is to last; None for as long as the session itself."""


@click.command(name="console")
@click.argument("name", required=False)
@click.option(
    "--path", "--service", "page", metavar="PAGE", help="The page: ec2/home#Instances:, or a service (s3)."
)
@click.option(
    "-s",
    "--stdout",
    is_flag=True,
    envvar=["SHELLVAULT_STDOUT", "AWS_VAULT_STDOUT"],
    help="Print the link instead of opening it.",
)
@click.option(
    "-a",
    "--auto-logout",
    is_flag=True,
    envvar=["SHELLVAULT_AUTO_LOGOUT", "AWS_VAULT_AUTO_LOGOUT"],
    help="End the browser's present console session first.",
)
@click.option("--browser", metavar="COMMAND", help="The browser to use, instead of $BROWSER or the system's.")
@click.option("--container", metavar="NAME", help="Open it in this container of Firefox.")
@session_options
def command(
    name: str | None,
    page: str | None,
    stdout: bool,
    auto_logout: bool,
    browser: str | None,
    container: str | None,
    **given: Any,
) -> int:
    """Open the AWS console with a session of profile NAME.

    Without NAME it is the session of this shell, if there is one. The link is worth a sign-in for 15 minutes: it is
    printed only with --stdout, or where no browser can be opened.
    """
    environment = dict(os.environ)
    signing_in = (
        _of_shell(environment, given)
        if name is None and _has_session(environment)
        else _of(session_request(name, {**given, "link_only": stdout}))
    )
    link = _link(signing_in, page, environment, auto_logout)
    if container:
        link = links.container_link(link, container)
    if stdout:
        output.result(f"{link}\n")
    elif not _opened(link, environment, browser or _usual_browser(name, environment)):
        output.note("no browser can be opened here: open this link (it works for 15 minutes)")
        output.result(f"{link}\n")
    return 0


def _opened(link: str, environment: Mapping[str, str], browser: str | None) -> bool:
    return browser != NO_BROWSER and bool(open_link(link, environment, browser))


def _usual_browser(name: str | None, environment: Mapping[str, str]) -> str | None:
    """The browser of SHELLVAULT_BROWSER, of the profile (`shellvault_browser`), or of the settings; None for none."""
    if named := environment.get("SHELLVAULT_BROWSER"):
        return named
    config = load(here.config_file(environment))
    found = layers_of(config, name or environment.get("AWS_VAULT", "")).find("shellvault_browser")
    return found.text if found else settings.load(environment).browser


def _has_session(environment: Mapping[str, str]) -> bool:
    return bool(environment.get("AWS_ACCESS_KEY_ID") and environment.get("AWS_SECRET_ACCESS_KEY"))


def _of_shell(environment: Mapping[str, str], given: Mapping[str, Any]) -> SigningIn:
    """The session in the environment. Raises UsageError where nothing says which partition it is good in."""
    token, options = environment.get("AWS_SESSION_TOKEN"), narrowing(given)
    if token and options:
        raise UsageError(
            "the session of this shell is as wide as it is: name a profile to have a narrower one"
        )
    region = of_environment(environment, given.get("region"))
    session = Session(environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"], token)
    if given.get("insecure_endpoint"):
        options["insecure-endpoint"] = "1"
    if not token:
        federated, plan = _federated(session, region, environment, options)
        return SigningIn(federated, _partition(plan), region)
    before: Plan | None = None
    with suppress(ShellvaultError):
        before = _plan(environment.get("SHELLVAULT_REQUEST", ""), environment)
    return SigningIn(session, _partition(before, region), region)


def _plan(line: str, environment: Mapping[str, str]) -> Plan:
    """The plan for a request, as far as the vault need not be opened for it."""
    return plan_for_request(parsed(line), dict.fromkeys(here.stored_names(environment), ""), environment)[1]


def _partition(plan: Plan | None, region: str | None = None) -> str:
    """Where a session is good: a session is a secret, and goes to no other partition's hosts."""
    partition = (plan and plan.partition) or (region and partition_of_region(region))
    if not partition:
        raise UsageError("nothing says in which partition of AWS this session is good: add --region REGION")
    return partition


def _federated(
    keys: Session, region: str | None, environment: Mapping[str, str], options: Mapping[str, str]
) -> tuple[Session, Plan]:
    """A federation token for the long-term keys of the environment, which cannot sign in by themselves."""
    from shellvault.sessions.calls import call_sts

    nothing = ConfigFile(Path(os.devnull), exists=False)
    overriding = {name: environment[name] for name in request.OVERRIDES if name in environment}
    overrides = replace(overrides_of(options), region_flag=region, environment=overriding)
    profile = resolve(nothing, "environment", overrides)
    asked = Options(console=True, insecure_endpoint="insecure-endpoint" in options)
    plan = build(profile, {profile.name: keys.access_key_id}, asked)
    step = plan.steps[-1]
    assert isinstance(step, StsCall)  # noqa: S101 - `console` ends a plan with long-term keys so
    return call_sts(step, keys, time.time()), plan


def _of(asked: SessionRequest) -> SigningIn:
    """The session that was asked for, once it is known where it is good."""
    asked = replace(asked, options={**asked.options, "console": "1"})
    seconds = None
    if asked.options.get("duration"):
        seconds = links.checked_seconds(parse_duration(asked.options["duration"]))
        seconds = seconds if may_set_length(provider.plan(asked)) else None
    change = forms.change(provider.answer(asked, "exec"))
    region = change.set.get("AWS_REGION")
    return SigningIn(
        session_of(change), _partition(_plan(asked.line, asked.environment), region), region, seconds
    )


def may_set_length(plan: Plan) -> bool:
    """Whether AWS takes SessionDuration: only for a role that long-term keys have assumed (IAM User Guide).

    For all others the console session lasts as long as the session itself.
    """
    kinds = [type(step) for step in plan.steps]
    return kinds[-2:] == [StoredKeys, AssumeRole]


def session_of(change: Change) -> Session:
    """The session that a change puts into an environment."""
    values = change.set
    return Session(
        values["AWS_ACCESS_KEY_ID"], values["AWS_SECRET_ACCESS_KEY"], values.get("AWS_SESSION_TOKEN")
    )


def _link(signing_in: SigningIn, page: str | None, environment: Mapping[str, str], auto_logout: bool) -> str:
    from shellvault.console.signin_token import signin_token

    partition, region = signing_in.partition, signing_in.region
    endpoint = links.federation_endpoint(partition, region, environment.get("AWS_ENDPOINT_URL_SIGNIN"))
    arrival = links.destination(partition, region, page)
    if auto_logout and partition != "aws":
        raise UsageError("--auto-logout works in AWS's first partition alone: sign out in the console's menu")
    bundle = environment.get("AWS_CA_BUNDLE") or environment.get("REQUESTS_CA_BUNDLE")
    token = signin_token(endpoint, signing_in.session, signing_in.seconds, bundle)
    link = links.sign_in_link(endpoint, token, arrival)
    return links.logged_out_first(endpoint, link) if auto_logout else link
