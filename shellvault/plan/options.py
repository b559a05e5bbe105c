"""How a session is requested, as far as the plan depends on it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """How a session is asked for: without a session token, or for a console sign-in."""

    no_session: bool = False
    console: bool = False
    environment_key_id: str | None = None
    """The access key id in the environment, for `credential_source = Environment`."""
    insecure_endpoint: bool = False
    """Whether calls may go over plain HTTP to another machine."""
    narrows: bool = True
    """Whether to use session policies; not when the session is for shellvault's own calls."""
    secrets_policy: str | None = None
    """The session policy that keeps secrets back, for a narrowing with `no_secrets`."""
