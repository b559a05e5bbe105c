"""The first line for a home without a profile."""

from collections.abc import Collection

from shellvault.errors import UsageError

#: The three ways to a first profile: with access keys, through a browser, from another tool.
NO_PROFILES = (
    "no profiles yet: `shellvault add NAME` stores access keys, `shellvault configure sso` signs in with a browser, "
    "`shellvault import` takes over from aws-vault or plain text"
)


def require_any(names: Collection[str]) -> None:
    """Raises UsageError with the three ways where `names`, those of all profiles, is empty."""
    if not names:
        raise UsageError(NO_PROFILES)
