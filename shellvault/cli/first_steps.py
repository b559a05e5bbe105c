"""The first line for a home without a profile, and the step after keys were stored."""

import os
from collections.abc import Collection

from shellvault.dialogue import output
from shellvault.errors import UsageError
from shellvault.profiles.grammar import word

#: The three ways to a first profile: with access keys, through a browser, from another tool.
NO_PROFILES = (
    "no profiles yet: `shellvault add NAME` stores access keys, `shellvault configure sso` signs in with a browser, "
    "`shellvault import` takes over from aws-vault or plain text"
)


def require_any(names: Collection[str]) -> None:
    """Raises UsageError with the three ways where `names`, those of all profiles, is empty."""
    if not names:
        raise UsageError(NO_PROFILES)


def name_next(name: str) -> None:
    """Says how a session of profile `name` is had in this shell, whose keys are stored now."""
    from shellvault.shells import detect, lines

    try:
        shell = detect.detect(os.getppid())
        output.note(f"next: `{lines.evaluated(shell, 'env', name)}`")
    except UsageError:
        output.note(f"next: `shellvault exec {word(name)} -- COMMAND`")
