"""Remarks on a config file for `list`, `doctor` and `why`: one line each, never an error."""

import re
from collections.abc import Iterator

from shellvault.display import printable
from shellvault.profiles.known_keys import READ, meant
from shellvault.profiles.parse import ConfigFile, Section
from shellvault.profiles.settings import OWN_PREFIX
from shellvault.profiles.shapes import canonical_start_url

#: Remarks on one section: enough to see what is wrong with it.
_MOST = 20


def of_file(config: ConfigFile) -> list[str]:
    """Everything that is odd about the file."""
    sections = [*config.profiles.values(), *config.sso_sessions.values()]
    return [*config.remarks(), *(remark for section in sections for remark in of_section(config, section))]


def of_section(config: ConfigFile, section: Section) -> list[str]:
    """Probable mistakes in the keys of a profile or sso-session."""
    found = [*_mistyped(config, section), *_contradictions(config, section), *_sign_in(config, section)]
    return found[:_MOST]


def _mistyped(config: ConfigFile, section: Section) -> Iterator[str]:
    for key in section.values:
        near = meant(key)
        if near or (key.startswith(OWN_PREFIX) and key not in READ):
            hint = f": did you mean {near}?" if near else ""
            yield f"{_at(config, section, key)} is not a known setting and has no effect{hint}"


def _contradictions(config: ConfigFile, section: Section) -> Iterator[str]:
    """botocore.credentials refuses a profile that has another value than its sso-session."""
    name = section.values.get("sso_session")
    session = config.sso_sessions.get(name) if isinstance(name, str) else None
    for key, value in session.values.items() if session else ():
        own = section.values.get(key)
        if own and value and own != value and key.startswith("sso_"):
            where = f"[sso-session {printable(str(name))}]"
            yield f"{_at(config, section, key)} differs from that of {where}, and AWS's tools refuse both: remove it"


def _sign_in(config: ConfigFile, section: Section) -> Iterator[str]:
    key = "sso_registration_scopes"
    scopes = section.values.get(key)
    if isinstance(scopes, str) and any(re.search(r"[\s\"']", scope.strip()) for scope in scopes.split(",")):
        right = ", ".join(filter(None, re.split(r"[\s,\"']+", scopes)))
        yield f"{_at(config, section, key)} takes commas between scopes, and no quotes: write {printable(right)}"
    key = "sso_start_url"
    start_url = section.values.get(key)
    if isinstance(start_url, str) and "\\" in start_url:
        right = printable(canonical_start_url(start_url))
        yield f"{_at(config, section, key)} has a \\ that AWS's tools send to AWS with it: write {right}"


def _at(config: ConfigFile, section: Section, key: str) -> str:
    return f"{config.at(section.lines[key])}: {printable(key)}"
