"""What shows a coding agent in a role's session at AWS: the session's name, its SourceIdentity and its tags. Pure.

Source: AWS STS API reference, AssumeRole (RoleSessionName, SourceIdentity) and Tag.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from shellvault.actors import plain
from shellvault.callers import Label
from shellvault.errors import ConfigError

#: What holds where `[marks]` in config.toml says nothing else.
USUAL: Mapping[str, str] = {
    "session_name": "{user}+{program}+{run}",
    "source_identity": "{user}",
    "tags": "actor program reason",
    "refused": "unmarked",
}

#: The session tags that there are.
TAGS = ("actor", "program", "reason")

#: The values of `refused`: what happens to a session whose marks AWS does not take.
REFUSED = ("unmarked", "refuse")

#: What AWS takes as RoleSessionName and SourceIdentity, in 2 to 64 characters.
_PLAIN = re.compile(r"[\w+=,.@-]*", re.ASCII)
_LONGEST = 64
_FIELDS = ("{user}", "{program}", "{run}")


class Marking(NamedTuple):
    """How sessions are marked."""

    session_name: str
    source_identity: str
    """A pattern, as `session_name`; empty for none."""
    tags: tuple[str, ...]
    """Names of TAGS."""
    is_required: bool
    """Whether there is no session without SourceIdentity and tags."""


def marking(given: Mapping[str, str]) -> Marking:
    """How sessions are marked; `given` is `[marks]` of config.toml. Raises ConfigError."""
    if unknown := set(given) - set(USUAL):
        raise _wrong(f"{min(unknown)!a} is no key: use {', '.join(USUAL)}")
    said = {**USUAL, **given}
    for key in ("session_name", "source_identity"):
        rest = said[key]
        for field in _FIELDS:
            rest = rest.replace(field, "")
        if not _PLAIN.fullmatch(rest) or (key == "session_name" and not said[key]):
            raise _wrong(f"{key} takes letters, digits, +=,.@-_ and {', '.join(_FIELDS)}")
    tags = tuple(said["tags"].replace(",", " ").split())
    if not set(tags) <= set(TAGS):
        raise _wrong(f"tags takes {', '.join(TAGS)}")
    if said["refused"] not in REFUSED:
        raise _wrong(f"refused takes {', '.join(REFUSED)}")
    return Marking(said["session_name"], said["source_identity"], tags, said["refused"] == "refuse")


def filled(pattern: str, user: str, caller: Label) -> str:
    """The name that a pattern makes of a person and a caller; "" for an empty pattern. A long person is cut first."""
    if not pattern:
        return ""
    rest = pattern.replace("{program}", caller.program).replace("{run}", caller.run)
    places = rest.count("{user}")
    room = (_LONGEST - len(rest) + places * len("{user}")) // max(places, 1)
    return rest.replace("{user}", user[: max(room, 0)])[:_LONGEST].ljust(2, "-")


def tags_of(marking: Marking, caller: Label, reason: str) -> tuple[tuple[str, str], ...]:
    """The session tags of a caller; `reason` is a `callers.tag_value`, and without one there is no such tag."""
    values = {"actor": caller.kind, "program": caller.program, "reason": reason}
    return tuple((name, values[name]) for name in dict.fromkeys(marking.tags) if values[name])


def person(name: str) -> str:
    """A person's login name as it stands in marks."""
    return plain(name)


def _wrong(why: str) -> ConfigError:
    return ConfigError(f"[marks] in config.toml: {why}")
