"""`shellvault install-process`: profiles that every SDK and IDE can use, by way of `credential_process`."""

import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from shellvault import here
from shellvault.cli import output
from shellvault.cli.suggest import unknown_profile
from shellvault.errors import ShellvaultError, UsageError
from shellvault.profiles.edit import append_profile, remove_key, remove_profile, set_key
from shellvault.profiles.parse import ConfigFile, load

#: What an SDK prefers to `credential_process` in the same profile (botocore.credentials, the order of providers).
PREFERRED = (
    "role_arn",
    "sso_session",
    "sso_start_url",
    "sso_account_id",
    "web_identity_token_file",
    "login_session",
)

#: Added to the name of a profile whose own settings an SDK would prefer.
COMPANION = "-shellvault"

#: How every line of ours ends, before the profile's name.
_MARK = " export --prompt none --format json "


@click.command(name="install-process")
@click.argument("names", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Every profile that shellvault can serve.")
@click.option("--remove", is_flag=True, help="Take the lines out again.")
def command(names: Sequence[str], every: bool, remove: bool) -> int:
    """Let SDKs, IDEs and tools use profiles NAMES.

    No wrapper or shell is needed. Writes `credential_process` into each profile. Where SDKs would prefer the
    profile's own role or sign-in, it goes into a profile NAME-shellvault beside it.
    """
    environment = dict(os.environ)
    path = here.config_file(environment)
    config = load(path)
    if bool(names) == every:
        raise UsageError("name profiles, or give --all")
    chosen = list(names) or [name for name in config.profile_names if not name.endswith(COMPANION)]
    failed = False
    for name in chosen:
        try:
            done = (
                _removed(path, load(path), name)
                if remove
                else _installed(path, load(path), name, environment, every)
            )
        except ShellvaultError as error:
            output.complain(f"{name}: {error}")
            failed = True
            continue
        if done:
            output.note(done)
    return int(failed)


def _installed(
    path: Path, config: ConfigFile, name: str, environment: Mapping[str, str], every: bool
) -> str | None:
    """Writes the line, and says where. None for a profile that needs none."""
    section = config.section(name)
    if name not in config.profile_names:
        raise UsageError(unknown_profile(name, config.profile_names))
    process = f"{shlex.quote(_program(environment))}{_MARK}{shlex.quote(name)}"
    if any(key in section for key in PREFERRED):
        companion = f"{name}{COMPANION}"
        if companion in config.profile_names:
            return f"{companion} is there already"
        region = section.get("region")
        settings = {"credential_process": process, **({"region": region} if isinstance(region, str) else {})}
        append_profile(path, companion, settings)
        return f"added [profile {companion}]: AWS_PROFILE={companion} works in every SDK"
    found = section.get("credential_process")
    if found is None:
        if every and name == "default":
            return None
        set_key(path, name, "credential_process", process)
        return f"added credential_process to [profile {name}]: AWS_PROFILE={name} works in every SDK"
    if isinstance(found, str) and _MARK in found:
        return f"{name} has it already"
    raise UsageError(f"it has a credential_process of its own ({config.at(_line(config, name))}): left alone")


def _removed(path: Path, config: ConfigFile, name: str) -> str | None:
    """Takes out what `_installed` wrote, and says what."""
    companion = f"{name}{COMPANION}"
    if _is_ours(config, companion) and set(config.section(companion)) <= {"credential_process", "region"}:
        remove_profile(path, companion)
        return f"removed [profile {companion}]"
    if _is_ours(config, name):
        remove_key(path, name, "credential_process")
        return f"removed credential_process from [profile {name}]"
    return None


def _is_ours(config: ConfigFile, name: str) -> bool:
    value = config.section(name).get("credential_process")
    return isinstance(value, str) and _MARK in value


def _line(config: ConfigFile, name: str) -> int:
    """The line of a profile's `credential_process`."""
    return config.profiles[name].lines["credential_process"]


def _program(environment: Mapping[str, str]) -> str:
    """The absolute path of the installed command: as PATH has it, so that an upgrade keeps it, else beside Python."""
    beside = Path(sys.executable).with_name("shellvault")
    found = shutil.which("shellvault", path=environment.get("PATH"))
    if found and (Path(found).resolve() == beside.resolve() or not beside.exists()):
        return str(here.absolute(found))
    if beside.exists():
        return str(beside)
    raise UsageError("the installed command `shellvault` cannot be found: put it on PATH")
