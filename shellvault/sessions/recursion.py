"""Helper processes that run shellvault themselves: a circle of them is refused, not run for ever."""

from collections.abc import Mapping

from shellvault.display import printable
from shellvault.errors import SessionError
from shellvault.fastlane import request
from shellvault.sessions.model import Helper
from shellvault.variables import for_programs, without_session

#: The profiles whose sessions the processes above this one are getting, as `request.escape` writes them.
RESOLVING = "SHELLVAULT_RESOLVING"


def check_recursion(profile: str, environment: Mapping[str, str]) -> None:
    """Raises SessionError when one of our own parents is getting the session of the same profile."""
    if request.escape(profile) in environment.get(RESOLVING, "").split():
        raise SessionError(
            f"the helper process of profile {printable(profile)} asks for that same profile: "
            "name another profile in its command"
        )


def environment_for_helper(environment: Mapping[str, str], helper: Helper) -> dict[str, str]:
    """What a helper program finds: the environment of the command that asked, but as it was before a session.

    The region is its own profile's, unless the user has set one; the sessions that wait for it are marked as
    being got.
    """
    before = without_session(for_programs(environment))
    marks = dict.fromkeys([*environment.get(RESOLVING, "").split(), *map(request.escape, helper.resolving)])
    has_region = before.get("AWS_REGION") or before.get("AWS_DEFAULT_REGION")
    if helper.region and not has_region:
        before |= {"AWS_REGION": helper.region, "AWS_DEFAULT_REGION": helper.region}
    return before | {RESOLVING: " ".join(marks)}
