"""`shellvault configure sso`: from a start URL to a profile with a session, in one command."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from shellvault import here
from shellvault.cli import output, picker, sign_ins, sso, terminal
from shellvault.cli.output import printable
from shellvault.cli.signin import sign_in_options
from shellvault.errors import SessionError, UsageError
from shellvault.profiles.edit import append_profile, append_section
from shellvault.profiles.settings import Setting
from shellvault.profiles.shapes import canonical_start_url, shaped


@click.group(name="configure")
def command() -> None:
    """Make profiles by answering questions."""


@command.command(name="sso")
@click.option("--start-url", metavar="URL", help="The address of the access portal.")
@click.option("--sso-region", metavar="REGION", help="The region of IAM Identity Center.")
@click.option("--session", metavar="NAME", help="The name of the sso-session.")
@click.option("--account", metavar="ID", help="The account, instead of being asked.")
@click.option("--role", metavar="NAME", help="The role, instead of being asked.")
@click.option("--region", metavar="REGION", help="The region of the profile.")
@click.option("--profile", metavar="NAME", help="The name of the profile.")
@sign_in_options
def of_sso(
    start_url: str | None,
    sso_region: str | None,
    session: str | None,
    account: str | None,
    role: str | None,
    region: str | None,
    profile: str | None,
    **given: Any,
) -> int:
    """Sign in to IAM Identity Center, choose an account and a role, and write a profile for them.

    What is not given as an option is asked on the terminal.
    """
    path = here.config_file(os.environ)
    session = _session(path, session, start_url, sso_region)
    portal, _ = sso.opened(session, given)
    accounts = portal.accounts()
    if not accounts:
        raise SessionError("the portal has no account for you: ask who runs it to assign you one")
    labels = {f"{each.account_id}  {printable(each.name)}".strip(): each for each in accounts}
    chosen = next((each for each in accounts if each.account_id == account), None)
    if account and not chosen:
        raise UsageError(f"the portal has no account {account} for you")
    chosen = chosen or labels[_chosen(list(labels), "account")]
    roles = portal.roles(chosen.account_id)
    if not roles or (role and role not in roles):
        raise SessionError(f"you have no role {role or ''} in {chosen.account_id}: ask who runs the portal")
    role = role or _chosen(roles, "role")
    suggested = next(iter(sso.profiles_for([(chosen, [role])], "{account_name}-{role_name}", session, {})))
    region = region or _asked("Region of the profile", "")
    name = profile or _asked("Name of the profile", suggested)
    settings = {"sso_session": session, "sso_account_id": chosen.account_id, "sso_role_name": role}
    append_profile(
        path, name, settings | ({"region": _shaped(region, "region", "--region")} if region else {})
    )
    output.note(f"profile {name} is written: `shellvault use {name}` enters it")
    return 0


def _session(path: Path, session: str | None, start_url: str | None, sso_region: str | None) -> str:
    """The sso-session to use: one that is there, or a new one in the config file."""
    known = sign_ins.config_of(os.environ).sso_sessions
    if session in known and session is not None:
        return session
    if session is None and not start_url and len(known) == 1:
        return next(iter(known))
    start_url = _shaped(start_url or _asked("Start URL", ""), "url", "--start-url")
    for name, section in known.items():
        if canonical_start_url(str(section.values.get("sso_start_url", ""))) == canonical_start_url(
            start_url
        ):
            return name
    guessed = re.search(r"\.(?:portal\.)?([a-z]{2}(?:-[a-z]+)+-[0-9])\.", start_url)
    sso_region = _shaped(
        sso_region or _asked("Region of IAM Identity Center", guessed[1] if guessed else ""),
        "region",
        "--sso-region",
    )
    host = start_url.split("//", 1)[1].split(".", 1)[0]
    name = session or _asked("Name of the sso-session", host)
    settings = {
        "sso_start_url": start_url,
        "sso_region": sso_region,
        "sso_registration_scopes": "sso:account:access",
    }
    append_section(path, "sso-session", name, settings)
    return name


def _shaped(text: str, kind: str, option: str) -> str:
    return shaped(Setting(text, option, "flag"), kind)


def _asked(question: str, suggestion: str) -> str:
    shown = f" [{printable(suggestion)}]" if suggestion else ""
    return terminal.ask(f"{question}{shown}: ").strip() or suggestion


def _chosen(names: Sequence[str], what: str) -> str:
    """The one name, or what a person chooses."""
    return names[0] if len(names) == 1 else picker.pick([picker.Choice(each) for each in names], what)
