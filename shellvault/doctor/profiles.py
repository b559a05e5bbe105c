"""Profiles that cannot give a session, and settings that the AWS CLI reads differently."""

import time
from collections.abc import Collection, Iterator, Mapping

from shellvault import plan as plans
from shellvault.display import printable
from shellvault.doctor.finding import Finding, Place
from shellvault.errors import ConfigError
from shellvault.fastlane import request
from shellvault.profiles import remarks
from shellvault.profiles.parse import ConfigFile, load
from shellvault.profiles.resolve import Overrides, resolve
from shellvault.profiles.settings import SOURCE_KEYS

#: Age in seconds from which a key should be replaced (AWS's advice: 90 days).
OLD = 90 * 24 * 3600


#: The settings that give a profile its identity.
IDENTITY = frozenset(
    {
        "role_arn",
        "source_profile",
        "credential_source",
        "credential_process",
        "web_identity_token_file",
        "web_identity_token_process",
        "sso_session",
        "sso_start_url",
        "sso_account_id",
        "sso_role_name",
        "login_session",
        "mfa_serial",
        *SOURCE_KEYS,
    }
)


def check(place: Place, stored: Collection[str]) -> Iterator[Finding]:
    """Resolves and plans every profile; `stored`: the names with keys in the vault."""
    try:
        config = load(place.config_path)
    except ConfigError as error:
        yield Finding("profiles", "trouble", str(place.config_path), str(error), "correct the file")
        return
    overrides = Overrides(None, None, request.overrides(dict(place.environment)))
    # The access key ids do not matter here.
    keys = dict.fromkeys(stored, "stored")
    for name in config.profile_names:
        try:
            plans.build(resolve(config, name, overrides), keys, plans.Options())
        except ConfigError as error:
            if not _is_only_settings(config, name):
                what = str(error)
                yield Finding(
                    "profiles", "trouble", f"profile {printable(name)}", what, f"`shellvault why {name}`"
                )
    yield from _mistaken_headers(config)
    for remark in remarks.of_file(config):
        where, separator, what = remark.partition(": ")
        if not separator:
            where, what = str(place.config_path), remark
        yield Finding("config-file", "advice", where, what, "correct it, so that every tool reads the same")


def _mistaken_headers(config: ConfigFile) -> Iterator[Finding]:
    """Sections with a profile's settings under a header that is no profile in this file."""
    for header, section in config.others.items():
        if not {"region", "output", *IDENTITY}.isdisjoint(section.values):
            yield Finding(
                "config-file",
                "advice",
                config.at(section.line),
                f"[{printable(header)}] is not a profile in this file and is ignored",
                f"write [profile {printable(header)}]",
            )


def _is_only_settings(config: ConfigFile, name: str) -> bool:
    """Whether a profile has no identity of its own: others include it, or it is `[default]`."""
    return IDENTITY.isdisjoint(config.section(name))


def old_keys(created: Mapping[str, int], stored: Collection[str]) -> Iterator[Finding]:
    """Stored keys older than OLD; `created` maps names to the known creation times of their keys."""
    now = time.time()
    for name in stored:
        age = now - created.get(name, now)
        if age > OLD:
            where, what = f"profile {printable(name)}", f"its key is {int(age // 86400)} days old"
            yield Finding("old-keys", "advice", where, what, f"`shellvault rotate {name}`")
