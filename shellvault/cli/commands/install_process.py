"""`shellvault install-process`: profiles that every SDK and IDE can use, by way of `credential_process`."""

import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from shellvault import here
from shellvault.cli.suggest import unknown_profile
from shellvault.dialogue import output
from shellvault.display import printable
from shellvault.errors import ConfigError, ShellvaultError, UsageError
from shellvault.importing import leftovers
from shellvault.profiles.edit import append_profile, change_keys, remove_key, remove_profile, set_key
from shellvault.profiles.parse import ConfigFile, load
from shellvault.profiles.settings import IDENTITY_KEYS, OWN_PREFIX

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

#: Where the line that was there before is kept.
REPLACED = "shellvault_replaced_process"

#: The keys for a profile's identity and the source of its credentials. All others are carried over.
ABOUT_CREDENTIALS = IDENTITY_KEYS | {
    "aws_secret_access_key",
    "aws_session_token",
    "aws_account_id",
    "duration_seconds",
    "mfa_process",
    "mfa_serial",
    "session_tags",
    "source_identity",
    "sso_registration_scopes",
    "transitive_session_tags",
}

#: A name that every SDK reads.
_PLAIN = re.compile(r"[A-Za-z0-9_.@+-]+")


@click.command(name="install-process")
@click.argument("names", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Every profile that shellvault can serve.")
@click.option("--remove", is_flag=True, help="Take the lines out again.")
def command(names: Sequence[str], every: bool, remove: bool) -> int:
    """Let SDKs, IDEs and tools use profiles NAMES.

    No wrapper or shell is needed. Writes `credential_process` into each profile. Where SDKs would prefer the
    profile's own role or sign-in, it goes into a new profile NAME-shellvault.
    A line of aws-vault, Granted or aws-sso-cli is replaced; --remove puts it back.
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
            output.complain(str(error) if name in str(error) else f"{name}: {error}")
            failed = True
            continue
        if done:
            output.note(done)
    return int(failed)


def replace_leftovers(path: Path, environment: Mapping[str, str]) -> None:
    """Replaces every line of another tool's that shellvault can stand for, and says which are left."""
    replaced = []
    for name, found in leftovers.in_config(load(path)):
        try:
            _replaced(path, load(path), name, found, environment)
            replaced.append(name)
        except ShellvaultError as error:
            output.note(f"{printable(name)} still calls {found.tool}: {error}")
    if replaced:
        names = " ".join(map(shlex.quote, replaced))
        output.note(
            f"credential_process of {', '.join(map(printable, replaced))} is shellvault's now "
            f"(`shellvault install-process --remove {names}` puts the old line back)"
        )


def _replaced(
    path: Path, config: ConfigFile, name: str, found: leftovers.Leftover, environment: Mapping[str, str]
) -> str:
    """Puts our line in the place of another tool's, which is kept. Raises UsageError where we cannot stand for it."""
    old, target = str(config.section(name)["credential_process"]), found.profile or name
    _check_serves(config, target, found.tool, environment)
    change_keys(path, name, {"credential_process": _process(environment, target), REPLACED: old})
    return (
        f"replaced {found.tool}'s line in [profile {name}]: AWS_PROFILE={shlex.quote(name)} works as before"
    )


def _check_serves(config: ConfigFile, target: str, tool: str, environment: Mapping[str, str]) -> None:
    """Raises UsageError where there is no way to a session of `target` but by the tool itself."""
    from shellvault import plan
    from shellvault.plan.steps import Process
    from shellvault.profiles.resolve import Overrides, resolve

    try:
        names = here.stored_names(environment)
        profile = resolve(config, target, Overrides(None, None, {}))
        steps = plan.build(profile, dict.fromkeys(names, "stored"), plan.Options()).steps
        served = not any(isinstance(step, Process) for step in steps)
    except ConfigError:
        served = False
    if not served and "granted_sso_start_url" in config.section(target):
        raise UsageError(
            f"write sso_start_url, sso_region, sso_account_id and sso_role_name into [profile {printable(target)}], "
            "with the values of its granted_sso_ keys"
        )
    if not served:
        raise UsageError(
            f"shellvault has no keys of {printable(target)}: `shellvault import` takes over {tool}'s, "
            "`shellvault configure sso` makes a profile of IAM Identity Center"
        )


def _process(environment: Mapping[str, str], name: str) -> str:
    return f"{shlex.quote(_program(environment))}{_MARK}{shlex.quote(name)}"


def _carried_over(section: Mapping[str, str | Mapping[str, str]]) -> dict[str, str | Mapping[str, str]]:
    """Everything of a profile that says nothing of credentials: region, endpoints, output, retries, services, …"""
    return {
        key: value
        for key, value in section.items()
        if key not in ABOUT_CREDENTIALS and not key.startswith(OWN_PREFIX)
    }


def _usable_by(name: str) -> str:
    """How a person names the profile to other programs."""
    if _PLAIN.fullmatch(name):
        return f"AWS_PROFILE={name} works in every SDK"
    return f"AWS_PROFILE={shlex.quote(name)} works in SDKs that read such a name (the one for Node does not)"


def _installed(
    path: Path, config: ConfigFile, name: str, environment: Mapping[str, str], every: bool
) -> str | None:
    """Writes the line, and says where. None for a profile that needs none."""
    section = config.section(name)
    if name not in config.profile_names:
        raise UsageError(unknown_profile(name, config.profile_names))
    leftover = leftovers.of(str(section.get("credential_process", "")))
    if leftover:
        return _replaced(path, config, name, leftover, environment)
    process = _process(environment, name)
    if any(key in section for key in PREFERRED):
        companion = f"{name}{COMPANION}"
        if companion in config.profile_names:
            return f"{companion} is there already"
        # The groups (`s3`) first: what is taken out again ends with a line of ours.
        append_profile(path, companion, {**_carried_over(section), "credential_process": process})
        return f"added [profile {companion}]: {_usable_by(companion)}"
    found = section.get("credential_process")
    if found is None:
        if every and name == "default":
            return None
        set_key(path, name, "credential_process", process)
        return f"added credential_process to [profile {name}]: {_usable_by(name)}"
    if isinstance(found, str) and _MARK in found:
        return f"{name} has it already"
    raise UsageError(f"it has a credential_process of its own ({config.at(_line(config, name))}): left alone")


def _removed(path: Path, config: ConfigFile, name: str) -> str | None:
    """Takes out what `_installed` wrote, and says what."""
    companion = f"{name}{COMPANION}"
    if _is_ours(config, companion) and ABOUT_CREDENTIALS.isdisjoint(
        config.section(companion).keys() - {"credential_process"}
    ):
        remove_profile(path, companion)
        return f"removed [profile {companion}]"
    replaced = config.section(name).get(REPLACED)
    if _is_ours(config, name) and isinstance(replaced, str):
        change_keys(path, name, {"credential_process": replaced, REPLACED: None})
        return f"put the old credential_process back into [profile {name}]"
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
    """The absolute path of the installed command: as PATH has it, so that an upgrade keeps it, else next to Python."""
    own = Path(sys.executable).with_name("shellvault")
    found = shutil.which("shellvault", path=environment.get("PATH"))
    if found and (Path(found).resolve() == own.resolve() or not own.exists()):
        return str(here.absolute(found))
    if own.exists():
        return str(own)
    raise UsageError("the installed command `shellvault` cannot be found: put it on PATH")
