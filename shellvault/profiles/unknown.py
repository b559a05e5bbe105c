"""Advice for a name that is not a profile."""

from shellvault.display import printable
from shellvault.profiles.grammar import word


def how_to_get(name: str) -> str:
    """How a person gets a profile `name`."""
    if name.startswith("arn:"):
        return (
            "an ARN is no profile's name: give a profile of the config file "
            "(a role's has role_arn and source_profile)"
        )
    return f"store keys with `shellvault add {word(printable(name))}`"
