"""What `shellvault config` prints: each setting, its value, and where that comes from."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from shellvault import here, settings
from shellvault.configuration import PROFILE_KEYS, SETTINGS
from shellvault.dialogue import output, tables
from shellvault.errors import UsageError
from shellvault.fastlane import request
from shellvault.vault import backends

#: What the config file says of a profile besides its own keys, and the variables that beat it.
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
    **{key.name: key.variables for key in PROFILE_KEYS},
}

#: Settings shown separately: the default depends on the machine, or there is a row for each entry.
_SHOWN_APART = ("backend", "confirm", "browsers")


@dataclass(frozen=True, slots=True)
class Row:
    """One setting; `comes_from` is a variable, a file, FILE:LINE, or `default`."""

    setting: str
    value: str
    comes_from: str


def show(name: str | None = None, *, as_json: bool = False) -> int:
    """Prints each setting, with a profile's name those of the profile too. Returns the exit status."""
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
    for key in SETTINGS:
        variable = next(filter(environment.get, key.variables), None)
        if key.name in _SHOWN_APART:
            continue
        if variable:
            yield Row(key.name, environment[variable], variable)
        elif key.name in own.given:
            yield Row(key.name, _shown(getattr(own, key.name)), where)
        else:
            yield Row(key.name, key.default, "default")
    for subject, browser in own.browsers.items():
        yield Row(f"browsers.{subject}", browser, where)


def _shown(value: bool | str | tuple[str, ...] | Mapping[str, str]) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={text}" for name, text in value.items()) or "none"
    return value if isinstance(value, str) else ",".join(value) or "none"


def _of_profile(name: str, environment: Mapping[str, str]) -> Iterator[Row]:
    from shellvault.cli.suggest import unknown_profile
    from shellvault.profiles.parse import load
    from shellvault.profiles.settings import layers_of

    config = load(here.config_file(environment))
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
