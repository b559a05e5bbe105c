"""When stored keys were made, as far as a rotation has learned it: names and epoch seconds, nothing secret."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from shellvault import files, locations


def known(environment: Mapping[str, str]) -> dict[str, int]:
    """By the name of the keys, when they were made (epoch seconds). Raises ShellvaultError."""
    try:
        found = json.loads(_path(environment).read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: created for name, created in found.items() if type(created) is int}


def record(environment: Mapping[str, str], name: str, created_at: int) -> None:
    """Notes when the keys of a name were made. Without a place to write nothing is noted. Raises ShellvaultError."""
    with suppress(OSError):
        files.replace(_path(environment), json.dumps(known(environment) | {name: created_at}).encode(), 0o600)


def _path(environment: Mapping[str, str]) -> Path:
    return locations.state_directory(environment) / "key-ages.json"
