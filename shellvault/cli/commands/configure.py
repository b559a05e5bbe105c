"""`shellvault configure sso`: from a start URL to a profile with a session, in one command."""

import os
import re
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shellvault import here
from shellvault.cli import sign_ins
from shellvault.cli.commands import sso
from shellvault.cli.commands.signin import sign_in_options
from shellvault.dialogue import output, picker, terminal
from shellvault.dialogue.fields import TRIES, Field
from shellvault.display import printable
from shellvault.errors import ConfigError, SessionError, UsageError
from shellvault.plan.regions import near
from shellvault.profiles.edit import append_profile, append_section, check_editable, check_name
from shellvault.profiles.parse import ConfigFile
from shellvault.profiles.resolve import USUAL_SCOPES
from shellvault.profiles.shapes import canonical_start_url
from shellvault.signin import start_urls

if TYPE_CHECKING:
    from shellvault.signin.portal import Account, Portal


@click.group(name="configure")
def command() -> None:
    """Make profiles by answering questions."""


@command.command(name="sso")
@click.option("--start-url", metavar="URL", help="The address of the access portal.")
@click.option("--sso-region", metavar="REGION", help="The region of IAM Identity Center.")
@click.option("--session", metavar="NAME", help="The name of the sso-session.")
@click.option("--account", metavar="ID", help="The account (id or name), instead of being asked.")
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

    What is not given as an option is asked on the terminal. Nothing is written before the sign-in has worked.
    """
    path = here.config_file(os.environ)
    check_editable(path, profile or "sso")
    portal, session, accounts = _signed_in(path, session, start_url, sso_region, given)
    chosen, role = _role(portal, accounts, account, role)
    suggested = next(iter(sso.profiles_for([(chosen, [role])], "{account_name}-{role_name}", session, {})))
    region = _PROFILE_REGION.get(region)
    taken = sign_ins.config_of(os.environ).profiles
    name = Field("Name of the profile", "--profile", lambda text: _new_name(text, taken)).get(
        profile, suggested if suggested not in taken else ""
    )
    settings = {"sso_session": session, "sso_account_id": chosen.account_id, "sso_role_name": role}
    append_profile(path, name, settings | ({"region": region} if region else {}))
    output.note(f"profile {name} is written: `shellvault use {name}` enters it")
    sign_ins.tell_of_other_programs(name, os.environ)
    return 0


@dataclass(frozen=True, slots=True)
class _Session:
    """An sso-session: one of the config file, or one that is written once the sign-in has worked."""

    name: str
    unwritten: tuple[str, str] | None = None
    """The start URL and the region of a new one."""


def _signed_in(
    path: Path, session: str | None, start_url: str | None, region: str | None, given: dict[str, Any]
) -> tuple["Portal", str, list["Account"]]:
    """The portal, its session's name and the accounts there; a new session is in the config file then.

    If the sign-in fails, typed answers are asked for again.
    """
    config = sign_ins.config_of(os.environ)
    tried: _Session | None = None
    for _ in range(TRIES):
        wanted = _wanted(config, session, start_url, region, tried)
        options = dict(zip(("sso-start-url", "sso-region"), wanted.unwritten or (), strict=False))
        try:
            portal, _ = sso.opened(wanted.name, given, options)
            accounts = portal.accounts()
            break
        except (ConfigError, SessionError) as error:
            if wanted.unwritten is None or (start_url and region):
                raise
            output.complain(str(error))
            tried = wanted
    else:
        raise UsageError("no sign-in has worked: nothing was written")
    if not accounts:
        raise SessionError("the portal has no account for you: ask its administrator to assign you one")
    if wanted.unwritten:
        settings = {
            "sso_start_url": wanted.unwritten[0],
            "sso_region": wanted.unwritten[1],
            "sso_registration_scopes": ",".join(USUAL_SCOPES),
        }
        append_section(path, "sso-session", wanted.name, settings)
        output.note(f"sso-session {wanted.name} is written to {path}")
    return portal, wanted.name, accounts


def _wanted(
    config: ConfigFile, session: str | None, start_url: str | None, region: str | None, tried: _Session | None
) -> _Session:
    """The session that the options and a person name. A known one is a suggestion, `tried` the next time."""
    known = {
        name: canonical_start_url(str(section.values.get("sso_start_url", "")))
        for name, section in config.sso_sessions.items()
    }
    if session is not None and session in known:
        if start_url and _START_URL.get(start_url) != known[session]:
            raise UsageError(f"--start-url: sso-session {session} has another one: give another --session")
        return _Session(session)
    suggested = [] if session else [*known]
    before = tried.unwritten if tried and tried.unwritten else ("".join(suggested[:1]), "")
    names = f", or a known sso-session ({', '.join(map(printable, suggested[:5]))})" if suggested else ""
    portal = Field(
        f"{_START_URL.question}{names}",
        _START_URL.option,
        lambda text: _portal(text, suggested),
        is_public=True,
    )
    found = portal.get(start_url, before[0])
    for name in suggested:
        if found in (name, known[name]):
            return _Session(name)
    usual_region = before[1] or start_urls.region_of(found)
    found_region = _SSO_REGION.get(region, usual_region)
    host = found.split("//", 1)[1].split(".", 1)[0]
    suggestion = tried.name if tried else host if host not in known else ""
    name = Field("Name for this sso-session", "--session", lambda text: _new_name(text, known)).get(
        session, suggestion
    )
    return _Session(name, (found, found_region))


def _role(
    portal: "Portal", accounts: Sequence["Account"], account: str | None, role: str | None
) -> tuple["Account", str]:
    """The account and the role that the options name, else a person."""
    labels = {f"{each.account_id}  {printable(each.name)}".strip(): each for each in accounts}
    chosen = next((each for each in accounts if account in (each.account_id, each.name)), None)
    if account and not chosen:
        raise UsageError(f"--account: the portal has no account {account} for you")
    chosen = chosen or labels[_chosen(list(labels), "account")]
    roles = portal.roles(chosen.account_id)
    if not roles:
        raise SessionError(f"you have no role in {chosen.account_id}: ask the portal's administrator")
    if role and role not in roles:
        raise UsageError(f"--role: you have no role {role} in {chosen.account_id}, but {', '.join(roles)}")
    return chosen, role or _chosen(roles, "role")


def _portal(text: str, known: Container[str]) -> str:
    """The name of a known sso-session, or a start URL. Raises ValueError for what is neither."""
    return text if text in known else start_urls.typed(text)


def _region(text: str) -> str:
    """Raises ValueError for what is none."""
    region = text.strip().lower()
    if not re.fullmatch(r"[a-z]{2,5}(?:-[a-z]+)+-[0-9]{1,2}", region, re.ASCII):
        raise ValueError("that is no region: give its name, such as eu-central-1")
    if meant := near(region):
        raise ValueError(f"there is no region {region}: did you mean {meant}?")
    return region


_START_URL = Field("Start URL of the portal", "--start-url", start_urls.typed, is_public=True)
_SSO_REGION = Field("Region of IAM Identity Center", "--sso-region", _region, is_public=True)
_PROFILE_REGION = Field(
    "Region of the profile (blank: none)",
    "--region",
    lambda text: _region(text) if text else "",
    is_public=True,
)


def _new_name(text: str, taken: Container[str]) -> str:
    """Raises ValueError for what cannot be the name of a section, or is that of another."""
    try:
        check_name(text)
    except ConfigError as error:
        raise ValueError(str(error)) from None
    if text in taken:
        raise ValueError(f"{printable(text)} exists already: give another name")
    return text


def _chosen(names: Sequence[str], what: str) -> str:
    """The one name, or what a person chooses; it stays on the screen when the list is gone."""
    if len(names) == 1:
        return names[0]
    chosen = picker.pick([picker.Choice(each) for each in names], what)
    terminal.show(f"{what.capitalize()}: {chosen}\n")
    return chosen
