"""Profiles that still call another tool for their credentials."""

import shutil
from collections.abc import Iterator

from shellvault.display import printable
from shellvault.doctor.finding import Finding, Place
from shellvault.errors import ConfigError
from shellvault.importing import leftovers
from shellvault.profiles.grammar import word
from shellvault.profiles.parse import load


def check(place: Place) -> Iterator[Finding]:
    """Finds lines that call other tools. The check of profiles reports an unreadable file."""
    try:
        config = load(place.config_path)
    except ConfigError:
        return
    for name, found in leftovers.in_config(config):
        there = shutil.which(found.program, path=place.environment.get("PATH"))
        yield Finding(
            "leftovers",
            "advice" if there else "trouble",
            f"profile {printable(name)}",
            f"credential_process calls {found.tool}" + ("" if there else ", which is not installed"),
            f"`shellvault install-process {word(name)}`",
        )
