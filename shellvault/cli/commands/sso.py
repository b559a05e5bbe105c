"""`shellvault sso`: the accounts and roles of IAM Identity Center, and a profile for each."""

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from shellvault import here
from shellvault.cli import provider, sign_ins
from shellvault.cli.commands.signin import asked, sign_in_options
from shellvault.dialogue import output, progress, tables
from shellvault.display import printable
from shellvault.errors import UsageError
from shellvault.plan import Endpoint
from shellvault.plan.regions import checked
from shellvault.profiles import generated

if TYPE_CHECKING:
    from shellvault.signin.portal import Account, Found, Portal

_SESSION = click.option("--session", metavar="NAME", help="The sso-session (default: the only one there is).")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print it for a program.")

#: What a template may name, and how profiles are called without one.
_FIELDS = ("account_id", "account_name", "email", "role_name")
_TEMPLATE = "{account_name}-{role_name}"

Roles = Sequence[tuple["Account", list[str]]]


@click.group(name="sso")
def command() -> None:
    """List accounts and roles, and make profiles of them.

    They are those of IAM Identity Center.
    """


@command.command(name="accounts")
@_SESSION
@_JSON
@sign_in_options
def accounts(session: str | None, as_json: bool, **given: Any) -> int:
    """List the accounts that you may use."""
    portal, _ = opened(session, given)
    found = portal.accounts()
    rows = [(account.account_id, account.name or "-", account.email or "-") for account in found]
    output.result(
        json.dumps([asdict(account) for account in found], indent=2) + "\n"
        if as_json
        else tables.table(("Account", "Name", "Address"), rows, ("Address",))
    )
    return 0


@command.command(name="roles")
@click.argument("account", required=False, metavar="[ACCOUNT]")
@_SESSION
@_JSON
@sign_in_options
def roles(account: str | None, session: str | None, as_json: bool, **given: Any) -> int:
    """List the roles that you may take, in ACCOUNT (its id or name) or in all accounts."""
    portal, _ = opened(session, given)
    wanted = [each for each in portal.accounts() if account in (None, each.account_id, each.name)]
    if account is not None and not wanted:
        raise UsageError(f"there is no account {account} for you: `shellvault sso accounts` lists them")
    found = _roles(portal, wanted)
    flat = [(each.account_id, each.name, role) for each, names in found.roles for role in names]
    keys = ("account_id", "account_name", "role_name")
    output.result(
        json.dumps([dict(zip(keys, row, strict=True)) for row in flat], indent=2) + "\n"
        if as_json
        else tables.table(("Account", "Name", "Role"), [(one, two or "-", three) for one, two, three in flat])
    )
    return int(bool(found.refused))


@command.command(name="populate")
@_SESSION
@click.option("--prune", is_flag=True, help="Remove profiles made before for what is no longer yours.")
@click.option(
    "--template",
    default=_TEMPLATE,
    show_default=True,
    help="How profiles are called; fields: account_id, account_name, email, role_name.",
)
@click.option("--region", metavar="REGION", help="The region of the profiles (default: none of their own).")
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@sign_in_options
def populate(
    session: str | None, prune: bool, template: str, region: str | None, dry_run: bool, **given: Any
) -> int:
    """Write a profile for every account and role into the AWS config file.

    What it writes is marked, and it changes and removes nothing else. A profile of the same name that is not
    marked is left alone and named. Where AWS does not list the roles of an account, nothing is removed.
    """
    settings = {"region": checked(region)} if region else {}
    portal, name = opened(session, given)
    found = _roles(portal, portal.accounts())
    wanted = profiles_for(found.roles, template, name, settings)
    prune = prune and not found.refused
    environment = dict(os.environ)
    path = here.config_file(environment)
    if dry_run:
        due = generated.changes(sign_ins.config_of(environment), name, wanted, prune=prune)
    else:
        due = generated.apply(path, name, wanted, prune=prune)
    would = "would be " if dry_run else ""
    for mark, names in (("+", due.added), ("~", due.changed), ("-", due.removed)):
        output.result("".join(f"{mark} {printable(each, None)}\n" for each in names))
    for each in due.conflicts:
        output.note(f"profile {each} exists and was not made by populate: it stays as it is")
    counts = f"{len(due.added)} added, {len(due.changed)} changed, {len(due.removed)} removed"
    output.note(f"profiles: {would}{counts}, {len(wanted) - len(due.added) - len(due.changed)} as they were")
    return int(bool(found.refused))


def profiles_for(
    found: Roles, template: str, session: str, more: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """The profiles for accounts and roles, sorted by name. Raises UsageError for a template that is none.

    Names of accounts are other people's text: what a shell or the config file might obey becomes `-`. Equal
    names all get the account's id, too.
    """
    _check_template(template)
    named = []
    for account, names in found:
        for role in names:
            fields = {
                **asdict(account),
                "account_name": account.name or account.account_id,
                "role_name": role,
            }
            named.append((_plain(template.format_map(fields)), account, role))
    often = Counter(name for name, _, _ in named)
    profiles = {}
    for name, account, role in named:
        unique = (
            name
            if often[name] == 1 and name
            else "-".join(filter(None, (name, account.account_id, _plain(role))))
        )
        profiles[unique] = {
            "sso_session": session,
            "sso_account_id": account.account_id,
            "sso_role_name": role,
            **more,
        }
    return dict(sorted(profiles.items()))


def _check_template(template: str) -> None:
    from string import Formatter

    try:
        parts = list(Formatter().parse(template))
    except ValueError:
        parts = [("", "?", "", None)]
    if any(
        field is not None and (field not in _FIELDS or form or conversion)
        for _, field, form, conversion in parts
    ):
        raise UsageError(
            f"--template {template!r}: name fields as {{{'}, {'.join(_FIELDS)}}}, and nothing more"
        )
    if not any(field for _, field, _, _ in parts):
        raise UsageError(f"--template {template!r} gives every profile the same name: name a field")


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._@+=,/:-]+", "-", text).strip("-/")


def opened(
    session: str | None, given: Mapping[str, Any], unwritten: Mapping[str, str] = MappingProxyType({})
) -> tuple["Portal", str]:
    """The portal of an sso-session, signed in to if need be, and the session's name.

    `unwritten` are the options that describe a session which the config file does not have yet.
    """
    from shellvault.signin.patience import Pace
    from shellvault.signin.portal import LISTED_A_SECOND, Portal

    name = session or _only_session()
    wanted = asked(name, given)
    wanted = replace(wanted, options={**wanted.options, **unwritten})
    found = json.loads(provider.answer(wanted, "sso-token"))

    def again(rejected: str) -> str:
        options = {**wanted.options, "rejected": rejected}
        token = json.loads(provider.answer(replace(wanted, options=options), "sso-token"))["access_token"]
        return str(token)

    where = Endpoint(**found["endpoint"])
    pace = Pace(LISTED_A_SECOND)
    portal = Portal(found["access_token"], where, name, again, progress.waits_for, pace)
    return portal, found["sso"]["session_name"] or name


def _only_session() -> str:
    names = list(sign_ins.config_of(os.environ).sso_sessions)
    if not names:
        raise UsageError("the config file has no sso-session: `shellvault configure sso` makes one")
    if len(names) > 1:
        from shellvault.dialogue import picker

        return picker.pick([picker.Choice(each) for each in names], "sso-session")
    return names[0]


def _roles(portal: "Portal", wanted: list["Account"]) -> "Found":
    """The roles of these accounts; those that AWS does not list are named."""
    with _progress(len(wanted)) as done:
        found = portal.roles_of_all(wanted, done)
    for account, error in found.refused:
        name = f" ({printable(account.name, None)})" if account.name else ""
        output.complain(f"the roles of {account.account_id}{name} are left out: {error}")
    return found


@contextmanager
def _progress(total: int) -> Iterator[Callable[["Account"], None]]:
    """For more than a few accounts: a bar on a terminal, elsewhere a line before and one after."""
    import sys

    if total < 10:
        yield lambda account: None
        return
    if not sys.stderr.isatty():
        output.note(f"asking for the roles in {total} accounts")
        yield lambda account: None
        output.note(f"asked for the roles in {total} accounts")
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("roles", total=total)
        yield lambda account: bar.advance(task)
