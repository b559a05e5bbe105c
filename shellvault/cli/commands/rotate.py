"""`shellvault rotate`: long-term keys replaced by new ones, in AWS and in the vault."""

import os
from collections.abc import Mapping
from typing import Any

import click

from shellvault.cli import provider
from shellvault.cli.options import SessionRequest, backend_option, session_request
from shellvault.cli.suggest import suggesting
from shellvault.dialogue import output, prompters
from shellvault.errors import ShellvaultError, UsageError
from shellvault.profiles.durations import parse_duration
from shellvault.protocol import Message
from shellvault.rotation import ages


@click.command(name="rotate")
@click.argument("name", required=False)
@click.option("--all", "every", is_flag=True, help="Rotate all stored keys.")
@click.option("--older-than", metavar="TIME", help="Leave keys alone that are younger: 90d, 12w.")
@click.option("--keep-old", is_flag=True, help="Leave the old key in IAM, inactive, instead of deleting it.")
@click.option(
    "-n", "--no-session", is_flag=True, help="Call IAM with the keys themselves, without an MFA code."
)
@click.option("-t", "--mfa-token", metavar="CODE", help="The MFA code, instead of being asked for it.")
@click.option("--region", metavar="REGION", help="The AWS region, instead of the profile's.")
@backend_option
def command(name: str | None, every: bool, older_than: str | None, keep_old: bool, **given: Any) -> int:
    """Replace the long-term keys of profile NAME by new ones.

    A role's are those at the end of its chain. The new key is proved before the old one is deleted, with one MFA
    code for all of it. A rotation that stopped on its way is completed by the next one.
    """
    if every and name:
        raise UsageError("give either a NAME or --all")
    least = parse_duration(older_than) if older_than else None
    environment = dict(os.environ)
    operate = provider.vault_operations(given["backend"], environment, prompters.choose(None, environment))
    if not every:
        asked = session_request(name, given)
        with suggesting(asked):
            _report(operate(_operation(asked, least, keep_old)), environment)
        return 0
    failed = False
    for each in operate({"do": "list"})["keys"]:
        try:
            _report(operate(_operation(session_request(each, given), least, keep_old)), environment)
        except ShellvaultError as error:
            output.complain(f"{each}: {error}")
            failed = True
    return int(failed)


def _operation(asked: SessionRequest, least: int | None, keep_old: bool) -> Message:
    return {
        "do": "rotate",
        "request": asked.line,
        "keep_old": keep_old,
        "older_than": least,
        "mfa_token": asked.mfa_token,
    }


def _report(result: Message, environment: Mapping[str, str]) -> None:
    if result["created_at"] is not None:
        ages.record(environment, result["name"], result["created_at"])
    if result["new_id"] is None:
        output.note(f"{result['name']}: {result['old_id']} is young enough: left alone")
        return
    completed = "completed a rotation of" if result["was_under_way"] else "rotated"
    output.note(
        f"{completed} the keys of {result['name']}: {result['new_id']} is in the vault ({result['backend']}), "
        f"{result['old_id']} is {result['old_is']}"
    )
