"""The container endpoint that `--server` starts."""

from shellvault.cli import provider
from shellvault.cli.options import SessionRequest
from shellvault.errors import UsageError
from shellvault.variables import Change


def opened(wanted: SessionRequest, pid: int, *, lazy: bool = False) -> Change:
    """The change for `--server`: a container endpoint that serves the process `pid` and what it starts.

    With `lazy` the session is only fetched when the endpoint is asked for it.

    Raises UsageError without an agent, which has to serve the endpoint, and any other ShellvaultError.
    """
    from shellvault.client import agent as client
    from shellvault.shells import forms

    if not wanted.agent:
        raise UsageError("--server is served by the agent: leave --no-agent and SHELLVAULT_NO_AGENT out")
    if wanted.options.get("no-session"):
        raise UsageError("--server hands out sessions only: leave --no-session out")
    if lazy:
        provider.confirmed(wanted)
        from shellvault.sessions.environment import change_without_session
        from shellvault.sessions.for_request import parsed, profile_for_request

        change = change_without_session(profile_for_request(parsed(wanted.line)), wanted.line)
    else:
        change = forms.change(provider.answer(wanted, "exec"))
    return change.with_endpoint(client.open_endpoint(wanted.line, pid, wanted.environment, wanted.reason))
