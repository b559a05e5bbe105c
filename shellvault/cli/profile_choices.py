"""The profiles to choose from, with what distinguishes them, and the previous one."""

import time
from collections.abc import Mapping

from shellvault import here
from shellvault.cli.session_state import agent_status
from shellvault.dialogue import tables
from shellvault.dialogue.picker import Choice
from shellvault.errors import UsageError
from shellvault.fastlane import request
from shellvault.profiles.parse import ConfigFile, load


def profiles(names: list[str], environment: Mapping[str, str]) -> list[Choice]:
    """The profiles `names`: those with a live session first, then those used lately."""
    held = agent_status(environment)
    now = time.time()
    until: dict[str, float] = {}
    for session in held.get("sessions", ()):
        until[session["profile"]] = max(session["expires_at"], until.get(session["profile"], 0))
    recent = {name: place for place, name in enumerate(held.get("recent", ()))}
    config = load(here.config_file(environment))
    ordered = sorted(names, key=lambda name: (until.get(name, 0) <= now, recent.get(name, len(recent))))
    return [
        Choice(name, (*_about(config, name), tables.time_left(until[name] - now) if name in until else ""))
        for name in ordered
    ]


def before(environment: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The profile whose session this shell had before, and the options that narrowed that session.

    Raises UsageError if there is no record of it.
    """
    from shellvault.fastlane.commands import shell_pid

    current = environment.get("AWS_VAULT")
    for line in agent_status(environment).get("before", {}).get(str(shell_pid()), []):
        name, fields = request.decode(line)
        if name != current:
            return name, {option: fields[option] for option in request.NARROWING if option in fields}
    raise UsageError("there is no profile to go back to: the agent knows of none before in this shell")


def _about(config: ConfigFile, name: str) -> tuple[str, str]:
    """Account or role, and region, as the profile's own section says."""
    section = config.section(name)
    role, account = section.get("role_arn"), section.get("sso_account_id")
    leased = section.get("shellvault_vault_role")
    if isinstance(role, str):
        whose = role.removeprefix("arn:aws:iam::").replace(":role/", " ")
    elif isinstance(account, str):
        whose = f"{account} {section.get('sso_role_name', '')}"
    elif isinstance(leased, str):
        whose = f"Vault {leased}"
    else:
        whose = ""
    region = section.get("region") or config.section("default").get("region") or ""
    return whose, str(region)
