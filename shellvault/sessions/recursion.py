"""Helper processes that run shellvault themselves: a circle of them is refused, not run for ever."""

from collections.abc import Mapping

from shellvault.errors import SessionError
from shellvault.fastlane import request
from shellvault.profiles.parse import printable
from shellvault.variables import for_children

#: The profiles whose sessions the processes above this one are getting, as `request.escape` writes them.
RESOLVING = "SHELLVAULT_RESOLVING"


def check_recursion(profile: str, environment: Mapping[str, str]) -> None:
    """Raises SessionError when one of our own parents is getting the session of the same profile."""
    if request.escape(profile) in environment.get(RESOLVING, "").split():
        raise SessionError(
            f"the helper process of profile {printable(profile)} asks for that same profile: "
            "name another profile in its command"
        )


def environment_for_helpers(environment: Mapping[str, str], *profiles: str) -> dict[str, str]:
    """`environment` without what is private, and with the mark that sessions of `profiles` are being got."""
    marks = dict.fromkeys([*environment.get(RESOLVING, "").split(), *map(request.escape, profiles)])
    return for_children(environment) | {RESOLVING: " ".join(marks)}
