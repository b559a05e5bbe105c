"""Helper processes that run shellvault themselves: endless recursion is refused."""

from collections.abc import Mapping

from shellvault.display import printable
from shellvault.errors import SessionError
from shellvault.fastlane import request
from shellvault.sessions.model import Helper
from shellvault.variables import for_programs, without_session

#: The profiles whose sessions this process's ancestors are getting, as `request.escape` writes them.
RESOLVING = "SHELLVAULT_RESOLVING"


def check_recursion(profile: str, environment: Mapping[str, str]) -> None:
    """Raises SessionError when an ancestor process is getting the session of the same profile."""
    if request.escape(profile) in environment.get(RESOLVING, "").split():
        raise SessionError(
            f"the helper process of profile {printable(profile)} asks for that same profile: "
            "name another profile in its command"
        )


def environment_for_helper(environment: Mapping[str, str], helper: Helper) -> dict[str, str]:
    """A helper program's environment: that of the requesting command, as it was before a session.

    The region is its own profile's, unless the user has set one; the sessions that wait for it are marked as
    in progress.
    """
    before = without_session(for_programs(environment))
    marks = dict.fromkeys([*environment.get(RESOLVING, "").split(), *map(request.escape, helper.resolving)])
    has_region = before.get("AWS_REGION") or before.get("AWS_DEFAULT_REGION")
    if helper.region and not has_region:
        before |= {"AWS_REGION": helper.region, "AWS_DEFAULT_REGION": helper.region}
    return before | {RESOLVING: " ".join(marks)}
