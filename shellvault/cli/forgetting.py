"""The order of every command that forgets: the agent first, then the rest, each even if others fail."""

from collections.abc import Callable, Mapping, Sequence

from shellvault.attempts import attempt_all


def agent_first(
    environment: Mapping[str, str], profiles: list[str] | None, rest: Sequence[Callable[[], object]]
) -> None:
    """Has the agent forget its sessions and the endpoints of `profiles` (None: of all), then does the rest.

    Raises the first ShellvaultError after all steps were tried.
    """
    from shellvault.client import agent as client

    attempt_all([lambda: client.forget(environment, profiles), *rest])
