"""`shellvault list`: profiles, stored keys and sessions; no secret is read for it."""

import json
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import click

from shellvault import here, settings
from shellvault.cli import first_steps, provider
from shellvault.cli.options import backend_option
from shellvault.dialogue import output, tables
from shellvault.display import printable
from shellvault.errors import ShellvaultError
from shellvault.plan import SIGN_INS

if TYPE_CHECKING:
    from rich.text import Text

    from shellvault.plan.steps import SignIn
    from shellvault.profiles.parse import ConfigFile

#: Oddities of the config file that are listed one by one.
_MAX_REMARKS = 10


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session: the call that made it, its expiry in epoch seconds (None: never), and where it is kept."""

    call: str | None
    expires_at: int | None
    kept: Literal["vault", "agent", "aws"]
    """`aws`: a sign-in that the AWS CLI has made."""


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """What is known of one profile name."""

    name: str
    defined: bool
    access_key_id: str | None
    """None: no keys are stored; empty: they are, and the vault cannot be read."""
    sessions: tuple[SessionRow, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """Everything that there is to list, and the config file that part of it comes from."""

    config: "ConfigFile"
    rows: Sequence[ProfileRow]
    signing_in: Mapping[str, "SignIn"]
    """The sign-in that each profile and sso-session begins with."""


@click.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print it for a program.")
@click.option("--credentials", is_flag=True, help="Only the names with stored keys, one a line.")
@click.option("--profiles", is_flag=True, help="Only the names of profiles, one a line.")
@click.option("--sessions", is_flag=True, help="Only the names with a live session, one a line.")
@click.option("--backends", is_flag=True, help="Which vault is used, and why each other is not.")
@backend_option
def command(
    as_json: bool, credentials: bool, profiles: bool, sessions: bool, backends: bool, backend: str | None
) -> int:
    """List profiles, where their keys are, and their sessions."""
    if backends:
        return _list_backends(backend, as_json)
    # Of several the first of these counts, as in aws-vault.
    if profiles and not credentials:
        return _print_names(_config().profile_names)
    found, problem = gather(backend)
    _show(found, as_json=as_json, credentials=credentials, sessions=sessions, is_whole=not problem)
    if problem:
        output.complain(str(problem))
        return problem.exit_status
    return 0


def _show(found: Found, *, as_json: bool, credentials: bool, sessions: bool, is_whole: bool) -> None:
    rows = found.rows
    if credentials:
        _print_names(row.name for row in rows if row.access_key_id is not None)
        return
    if sessions:
        _print_names(row.name for row in rows if any(its.call not in SIGN_INS for its in row.sessions))
        return
    if not rows and is_whole:
        output.note(first_steps.NO_PROFILES)
    if as_json:
        output.result(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    elif rows:
        output.result(_table(rows))
    from shellvault.profiles import remarks

    for remark in _without_sign_in(found) if is_whole else ():
        output.note(remark)
    _tell_remarks(remarks.of_file(found.config))


def _config() -> "ConfigFile":
    from shellvault.profiles.parse import load

    return load(here.config_file(os.environ))


def _tell_remarks(remarks: Sequence[str]) -> None:
    """What is odd about the config file, and what the AWS CLI makes of it."""
    for remark in remarks[:_MAX_REMARKS]:
        output.note(remark)
    if len(remarks) > _MAX_REMARKS:
        output.note(f"{len(remarks) - _MAX_REMARKS} more lines of the config file are odd")


def gather(backend: str | None) -> tuple[Found, ShellvaultError | None]:
    """All profiles of the config file and all names in the vault, in that order; and why that is not all."""
    from shellvault.cli import sign_ins

    config = _config()
    signing_in = sign_ins.of_config(config, os.environ)
    found, problem = provider.listed(provider.vault_operations(backend, dict(os.environ)), os.environ)
    keys: dict[str, str] = found["keys"]
    now = time.time()
    sessions: dict[str, list[SessionRow]] = {}
    for label in found["sessions"]:
        if label["expires_at"] is None or label["expires_at"] > now:
            row = SessionRow(label["call"], label["expires_at"], "vault")
            sessions.setdefault(label["profile"], []).append(row)
    for name, expires_at in provider.agent_sessions(dict(os.environ)):
        its = sessions.setdefault(name, [])
        if expires_at not in (row.expires_at for row in its):
            its.append(SessionRow(None, expires_at, "agent"))
    for name, row in _sign_ins(config, signing_in, found["sign_ins"]):
        sessions.setdefault(name, []).append(row)
    names = dict.fromkeys([*config.profiles, *keys, *sessions])
    rows = [
        ProfileRow(name, name in config.profiles, keys.get(name), tuple(sessions.get(name, ())))
        for name in names
    ]
    return Found(config, rows, signing_in), problem


def _without_sign_in(found: Found) -> Iterator[str]:
    """Sessions that outlive their sign-in, which `aws sso logout` may have ended: AWS takes them to their end."""
    for row in found.rows:
        if (
            row.name in found.signing_in
            and row.sessions
            and not any(its.call in SIGN_INS for its in row.sessions)
        ):
            name = printable(row.name, None)
            yield f"the sign-in of {name} is over, its session is not: `shellvault clear {name}` forgets it"


def _sign_ins(
    config: "ConfigFile", signing_in: Mapping[str, "SignIn"], labels: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, SessionRow]]:
    """The living sign-in of each profile that begins with one."""
    from shellvault.cli import sign_ins

    # Many profiles share one.
    known_of = cache(lambda fingerprint: sign_ins.known(steps[fingerprint], labels, os.environ))
    steps = {step.fingerprint: step for step in signing_in.values()}
    for name, step in signing_in.items():
        known = known_of(step.fingerprint) if name in config.profiles else None
        if known:
            yield name, SessionRow(step.call, known.ends_at, "vault" if known.by == "shellvault" else "aws")


def _print_names(names: Iterable[str]) -> int:
    output.result("".join(f"{printable(name, None)}\n" for name in names))
    return 0


def _table(rows: Sequence[ProfileRow]) -> str:
    patterns = settings.production_patterns(os.environ)
    lines = [
        (
            tables.profile(row.name, patterns),
            "-" if row.access_key_id is None else row.access_key_id or "unknown",
            _sessions(row.sessions),
        )
        for row in rows
    ]
    text = tables.of_profiles(("Profile", "Stored keys", "Sessions"), lines, [row.name for row in rows])
    return _with_second_line(text) if os.environ.get("SHELLVAULT_CALLED_AS") == "aws-vault" else text


def _with_second_line(table: str) -> str:
    """The table with the second line of aws-vault's header, since scripts pass over two (`NR > 2`)."""
    header, separator, rest = table.partition("\n")
    words = click.unstyle(header)
    return f"{header}{separator}{re.sub(r'[^ ]+(?: [^ ]+)*', lambda word: '=' * len(word[0]), words)}\n{rest}"


def _sessions(sessions: Sequence[SessionRow]) -> "Text | str":
    now = time.time()
    parts = [
        (
            f"{printable(session.call or 'agent')} ",
            tables.left(None if session.expires_at is None else session.expires_at - now),
        )
        for session in sessions
    ]
    if not parts:
        return "-"
    if not tables.in_colour():
        return ", ".join(f"{what}{left}" for what, left in parts)
    from rich.text import Text

    return Text(", ").join(Text.assemble(what, left) for what, left in parts)


def _list_backends(backend: str | None, as_json: bool) -> int:
    from shellvault.vault import probe

    found = probe({**os.environ, **({"SHELLVAULT_BACKEND": backend} if backend else {})})
    if as_json:
        output.result(json.dumps([asdict(status) for status in found], indent=2) + "\n")
        return 0
    lines = [
        (status.name, "used" if status.chosen else "usable" if status.usable else "not usable", status.reason)
        for status in found
    ]
    output.result(tables.table(("Backend", "State", "Why"), lines))
    return 0
