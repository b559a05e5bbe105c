"""When stored keys were made, as rotations recorded it: names and epoch seconds, no secrets."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from shellvault import files, locations


def known(environment: Mapping[str, str]) -> dict[str, int]:
    """The name of stored keys to when they were made (epoch seconds). Raises ShellvaultError."""
    try:
        found = json.loads(_path(environment).read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: created for name, created in found.items() if type(created) is int}


def record(environment: Mapping[str, str], name: str, created_at: int) -> None:
    """Records when the keys of a name were made; skipped if the file cannot be written. Raises ShellvaultError."""
    with suppress(OSError):
        files.replace(_path(environment), json.dumps(known(environment) | {name: created_at}).encode(), 0o600)


def _path(environment: Mapping[str, str]) -> Path:
    return locations.state_directory(environment) / "key-ages.json"
