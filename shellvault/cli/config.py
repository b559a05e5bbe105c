"""`shellvault config`: each setting, its value, and where that comes from."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from shellvault import settings
from shellvault.cli import output, tables
from shellvault.display import PRODUCTION_VARIABLE
from shellvault.errors import UsageError
from shellvault.fastlane import request
from shellvault.sessions import unlocking
from shellvault.vault import backends

#: Each setting of config.toml, the variables that beat it, and what holds where it is not set.
_SETTINGS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "session_backend": ((backends.SESSION_VARIABLE,), "vault for what takes a code, else agent"),
    "prompt": (("SHELLVAULT_PROMPT", "AWS_VAULT_PROMPT"), "terminal"),
    "browser": (("SHELLVAULT_BROWSER",), "the system's, or $BROWSER"),
    "device_code": (("SHELLVAULT_DEVICE_CODE",), "where no browser can be opened"),
    "export_token": (("SHELLVAULT_EXPORT_TOKEN",), "false"),
    "insecure_endpoint": ((), "false"),
    "unlock_ttl": ((unlocking.VARIABLE,), unlocking.DEFAULT),
    "lock_on": ((), "nothing but `shellvault lock`"),
    "production": ((PRODUCTION_VARIABLE,), "a word prod or production in the name"),
}

#: What the config file says of a profile, and the variables that beat it.
_OF_PROFILE: Mapping[str, tuple[str, ...]] = {
    "region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
    "endpoint_url": ("AWS_ENDPOINT_URL",),
    "mfa_serial": ("AWS_MFA_SERIAL",),
    "mfa_process": (),
    "source_profile": (),
    "role_arn": ("AWS_ROLE_ARN",),
    "role_session_name": ("AWS_ROLE_SESSION_NAME",),
    "duration_seconds": ("AWS_ASSUME_ROLE_TTL",),
    "sso_session": (),
    "login_session": (),
    "shellvault_browser": (),
    "shellvault_env": (),
    "shellvault_duration": ("SHELLVAULT_DURATION", "AWS_VAULT_DURATION"),
    "shellvault_policy": (),
    "shellvault_policy_arns": (),
    "shellvault_read_only": (),
    "shellvault_vault_role": (),
    "shellvault_vault_mount": (),
    "shellvault_vault_endpoint": (),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One setting; `comes_from` is a variable, a file, FILE:LINE, or `default`."""

    setting: str
    value: str
    comes_from: str


@click.command(name="config")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print it for a program.")
def command(name: str | None, as_json: bool) -> int:
    """Show each setting with where it comes from; with NAME, also those of that profile."""
    environment = dict(os.environ)
    for remark in settings.load(environment).remarks:
        output.note(remark)
    rows = [*_general(environment), *(_of_profile(name, environment) if name else ())]
    if as_json:
        output.result(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
        return 0
    lines = [(row.setting, row.value, row.comes_from) for row in rows]
    output.result(tables.table(("Setting", "Value", "Comes from"), lines))
    return 0


def _general(environment: Mapping[str, str]) -> Iterator[Row]:
    from shellvault.sessions import confirmation

    own = settings.load(environment)
    where = str(own.path)
    chosen = backends.choose(None, environment)
    yield Row("backend", chosen.backend, chosen.source or "what is there on this machine")
    source = confirmation.VARIABLE if environment.get(confirmation.VARIABLE) else where
    is_set = environment.get(confirmation.VARIABLE) or own.confirm
    yield Row("confirm", confirmation.policy(environment, chosen.backend), source if is_set else "default")
    for name, (variables, default) in _SETTINGS.items():
        variable = next(filter(environment.get, variables), None)
        if variable:
            yield Row(name, environment[variable], variable)
        elif name in own.given:
            yield Row(name, _shown(getattr(own, name)), where)
        else:
            yield Row(name, default, "default")
    for subject, browser in own.browsers.items():
        yield Row(f"browsers.{subject}", browser, where)


def _shown(value: bool | str | tuple[str, ...]) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else ",".join(value) or "none"


def _of_profile(name: str, environment: Mapping[str, str]) -> Iterator[Row]:
    from shellvault.cli.suggest import unknown_profile
    from shellvault.profiles.parse import load
    from shellvault.profiles.settings import layers_of

    config = load(Path(request.config_path(dict(environment), str(Path.cwd()))))
    if name not in config.profiles:
        raise UsageError(unknown_profile(name, config.profile_names))
    layers, overriding = layers_of(config, name), request.overrides(dict(environment))
    for key, variables in _OF_PROFILE.items():
        variable = next(filter(overriding.get, variables), None)
        found = layers.find(key)
        if variable:
            yield Row(key, overriding[variable], variable)
        elif found:
            yield Row(key, found.text, found.name.removesuffix(f": {key}"))
