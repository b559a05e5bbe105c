"""`shellvault signin`: signed in to IAM Identity Center or AWS, before something needs it."""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import click

from shellvault import here
from shellvault.browser import NO_BROWSER
from shellvault.cli import provider, sign_ins
from shellvault.cli.options import SessionRequest, backend_option, session_request
from shellvault.dialogue import output, tables
from shellvault.display import printable
from shellvault.errors import ShellvaultError, UsageError
from shellvault.plan.regions import of_environment
from shellvault.profiles.edit import append_profile

#: The options of every command that may sign in.
_OPTIONS = (
    click.option("--browser", metavar="COMMAND", help="The browser to use, instead of the configured one."),
    click.option("--no-browser", is_flag=True, help="Open no browser: only show the link."),
    click.option(
        "--device-code",
        "--remote",
        is_flag=True,
        help="Use a code, so that the browser may be on another machine (also SHELLVAULT_DEVICE_CODE=1).",
    ),
    click.option("--no-agent", is_flag=True, help="Do everything in this process."),
)


def sign_in_options(function: Any) -> Any:
    """Adds the options that decide how a person signs in."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return backend_option(function)


@click.command(name="signin")
@click.argument("name", required=False)
@click.option("--all", "every", is_flag=True, help="Sign in to everything the config file knows.")
@click.option(
    "--check", is_flag=True, help="Only say whether there is a sign-in, and how long; status 3 if not."
)
@click.option("--new", "new", metavar="NAME", help="Sign in to AWS as anybody, and make profile NAME for it.")
@click.option(
    "--fresh", is_flag=True, help="End this sign-in, at the portal too, and sign in again from now."
)
@click.option(
    "--export-token",
    is_flag=True,
    help="Keep it in the AWS CLI's cache, in plain text, for tools that read that (also SHELLVAULT_EXPORT_TOKEN=1).",
)
@click.option("--region", metavar="REGION", help="With --new: the region to sign in to, and of the profile.")
@sign_in_options
def command(
    name: str | None, every: bool, check: bool, new: str | None, export_token: bool, **given: Any
) -> int:
    """Sign in for profile (or sso-session) NAME.

    Nothing is done where a sign-in is good still. Other commands do this by themselves when they must. The sign-in
    serves every profile of the same sso-session.
    """
    if sum((bool(name), every, bool(new))) > 1:
        raise UsageError("give a NAME, --all or --new NAME")
    if check and not new:
        return _check(None if every else name or _picked(), given["backend"])
    if new:
        return _sign_in_as_new(new, given)
    if export_token:
        given["export_token"] = True
    if not every:
        wanted = asked(name or _picked(), given)
        _one(wanted)
        sign_ins.tell_of_other_programs(wanted.profile, wanted.environment)
        return 0
    environment = dict(os.environ)
    steps = sign_ins.of_config(sign_ins.config_of(environment), environment)
    failed = False
    for names in sign_ins.distinct(steps).values():
        try:
            _one(asked(names[0], given))
        except ShellvaultError as error:
            output.complain(f"{names[0]}: {error}")
            failed = True
    if not steps:
        raise UsageError("no profile of the config file signs in: `shellvault configure sso` makes one")
    if not export_token:
        sign_ins.tell_of_other_programs("", environment)
    return int(failed)


def _check(name: str | None, backend: str | None) -> int:
    """Says of one sign-in (None: of every one) whether it lives. Returns 0 when all do, else 3."""
    environment = dict(os.environ)
    steps = sign_ins.of_config(sign_ins.config_of(environment), environment)
    if name is not None and name not in steps:
        raise UsageError(f"{printable(name)} does not sign in: `shellvault list` shows what does")
    labels = provider.vault_operations(backend, environment)({"do": "list"})["sign_ins"]
    names = [name] if name else [shared[0] for shared in sign_ins.distinct(steps).values()]
    found = {each: sign_ins.known(steps[each], labels, environment) for each in names}
    for each, known in found.items():
        said = f"signed in ({sign_ins.state(known)})" if known else "not signed in"
        output.result(f"{printable(each)}: {said}\n")
    return 0 if all(found.values()) else 3


def asked(name: str, given: Mapping[str, Any]) -> SessionRequest:
    """The session request of a command line with `sign_in_options`."""
    found = session_request(name, given)
    environment = dict(found.environment)
    if given.get("no_browser"):
        environment["SHELLVAULT_BROWSER"] = NO_BROWSER
    elif given.get("browser"):
        environment["SHELLVAULT_BROWSER"] = given["browser"]
    if given.get("device_code"):
        environment["SHELLVAULT_DEVICE_CODE"] = "1"
    if given.get("export_token"):
        environment["SHELLVAULT_EXPORT_TOKEN"] = "1"  # noqa: S105 - a switch
    # What decides a session's duration does not concern its sign-in.
    return replace(found, environment=environment)


def _sign_in_as_new(name: str, given: Mapping[str, Any]) -> int:
    """Signs in as anybody, and writes profile `name` with its `login_session` once that has worked."""
    asked_for = asked(name, given)
    environment = dict(os.environ)
    if name in sign_ins.config_of(environment).profile_names:
        raise UsageError(
            f"profile {name} exists already: choose another name, or run `shellvault signin {name}`"
        )
    region = of_environment(environment, given.get("region"))
    principal = json.loads(provider.answer(asked_for, "new-login"))["subject"]
    path = here.config_file(environment)
    append_profile(path, name, {"login_session": principal, **({"region": region} if region else {})})
    output.note(f"signed in as {principal}; profile {name} is written: `shellvault use {name}` enters it")
    sign_ins.tell_of_other_programs(name, environment)
    return 0


def _picked() -> str:
    """The name that a person chooses among those that sign in; AWS_PROFILE's without asking."""
    environment = dict(os.environ)
    if name := environment.get("AWS_PROFILE") or environment.get("AWS_DEFAULT_PROFILE"):
        return name
    steps = sign_ins.of_config(sign_ins.config_of(environment), environment)
    names = [shared[0] for shared in sign_ins.distinct(steps).values()]
    if len(names) == 1:
        return names[0]
    if not names:
        raise UsageError("no profile of the config file signs in: `shellvault configure sso` makes one")
    from shellvault.dialogue import picker

    return picker.pick([picker.Choice(each) for each in names], "sign-in")


def _one(asked_for: SessionRequest) -> None:
    done = json.loads(provider.answer(asked_for, "sign-in"))
    left = tables.time_left(done["expires_at"] - time.time())
    renews = ", renewed without you for as long as AWS allows" if done["renewed_until"] else ""
    output.note(f"signed in to {done['subject']}: {left} left{renews}")
