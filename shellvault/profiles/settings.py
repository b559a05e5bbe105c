"""Where the value of a setting comes from: own section, included profiles, `[default]`."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from shellvault.configuration import PROFILE_KEYS
from shellvault.display import printable
from shellvault.errors import ConfigError
from shellvault.profiles.model import Origin
from shellvault.profiles.parse import ConfigFile, Section, place

#: More links of source_profile or include_profile than this are a mistake.
MAX_CHAIN = 32

#: The keys of ours by which a profile has its credentials.
SOURCE_KEYS = tuple(key.name for key in PROFILE_KEYS if key.is_source)

#: The keys of a profile's identity. `[default]` gives them to no other profile, which would become another identity.
IDENTITY_KEYS = frozenset(
    (
        "aws_access_key_id",
        "credential_process",
        "credential_source",
        "external_id",
        "login_session",
        "role_arn",
        "role_session_name",
        "source_profile",
        "sso_account_id",
        "sso_region",
        "sso_role_name",
        "sso_session",
        "sso_start_url",
        "web_identity_token_file",
        "web_identity_token_process",
        *SOURCE_KEYS,
    )
)


#: Keys of a profile that only shellvault reads.
OWN_PREFIX = "shellvault_"
OWN_KEYS = frozenset(key.name for key in PROFILE_KEYS)


@dataclass(frozen=True, slots=True)
class Setting:
    """One value, and where it comes from."""

    text: str
    name: str
    """The name in messages: `FILE:LINE: region`, `AWS_REGION`, `--region`."""
    origin: Origin

    def error(self, problem: str) -> ConfigError:
        """A ConfigError that shows this value and its problem."""
        return ConfigError(f"{self.name}: {self.text[:100]!r} {problem}")


@dataclass(frozen=True, slots=True)
class Layers:
    """The sections of a profile's keys; the first one with a key decides."""

    path: Path
    own: tuple[Section, ...]
    """Its own section, then what it includes, depth first."""
    inherited: tuple[Section, ...]
    """`[default]` and what that includes: for everything but IDENTITY_KEYS."""

    def find(self, key: str) -> Setting | None:
        """The value of `key`; empty values count as absent. Raises ConfigError for an indented block."""
        sections = self.own if key in IDENTITY_KEYS else self.own + self.inherited
        return next((found for section in sections if (found := find_in(section, key, self.path))), None)


def layers_of(config: ConfigFile, name: str) -> Layers:
    """The layers of profile `name`.

    Raises ConfigError for a missing or circular include_profile, and for an own section with a line that
    cannot be understood. In an inherited section (`Layers.inherited`) such a line is only a note.
    """
    layers = Layers(config.path, _with_includes(config, name), _with_includes(config, "default"))
    for section in layers.own:
        check_understood(section)
    return layers


def check_understood(section: Section) -> None:
    """Raises ConfigError when a line of the section cannot be understood."""
    if section.problem:
        raise ConfigError(section.problem)


def find_in(section: Section, key: str, path: Path) -> Setting | None:
    """The value of `key` in one section. Raises ConfigError where it is an indented block."""
    value = section.values.get(key)
    if not value:
        return None
    name = f"{place(path, section.lines[key])}: {key}"
    if not isinstance(value, str):
        raise ConfigError(f"{name}: write the value on the same line")
    return Setting(value, name, "config")


def check_chain(names: Iterable[str], following: str, setting: Setting) -> None:
    """Raises ConfigError when `following` is already among `names`, or when there are too many of them."""
    seen = list(names)
    if following in seen:
        cycle = [*seen[seen.index(following) :], following]
        raise ConfigError(f"{setting.name} leads in a circle: {' → '.join(map(printable, cycle))}")
    if len(seen) >= MAX_CHAIN:
        raise ConfigError(f"{setting.name}: more than {MAX_CHAIN} profiles follow from {printable(seen[0])}")


def _with_includes(config: ConfigFile, name: str) -> tuple[Section, ...]:
    section = config.profiles.get(name)
    sections: dict[str, Section] = {}
    while section:
        sections[name] = section
        include = find_in(section, "include_profile", config.path)
        if not include:
            break
        name = include.text
        check_chain(sections, name, include)
        section = config.profiles.get(name)
        if not section:
            raise include.error("is not a profile of this file")
    return tuple(sections.values())
