"""The order of every command that forgets: the agent first, then the rest, each whatever becomes of the others."""

from collections.abc import Callable, Mapping, Sequence

from shellvault.attempts import attempt_all


def agent_first(
    environment: Mapping[str, str], profiles: list[str] | None, rest: Sequence[Callable[[], object]]
) -> None:
    """Has the agent forget its sessions and the endpoints of `profiles` (None: of all), then does the rest.

    Raises the first ShellvaultError when all of it was tried.
    """
    from shellvault.client import agent as client

    attempt_all([lambda: client.forget(environment, profiles), *rest])
