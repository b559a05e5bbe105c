"""What decides how a session is obtained, but not which one."""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from shellvault import here
from shellvault.plan.steps import AwsSignIn, Leased, SsoRole
from shellvault.sessions.model import Prompter, Session

if TYPE_CHECKING:
    from shellvault.vault import Vault

from shellvault.sessions.model import Helper

#: A cached session is used while it has at least this many seconds left, unless a request says otherwise.
MIN_REMAINING = 300


@dataclass(frozen=True, slots=True)
class Context:
    """Everything around one acquisition. Durations in seconds."""

    state_directory: Path
    """Private (mode 0700): locks, and the digests of used codes."""
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    """The environment of the requesting command."""
    directory: str = field(default_factory=here.working_directory)
    """The folder of the requesting command: the base of relative paths, and where helper programs run."""
    run_helper: Callable[[Helper], bytes] | None = None
    """Runs a helper program in another process and returns its stdout; None: it runs here. Raises SessionError."""
    regions: Mapping[str, str] = field(default_factory=dict)
    """The regions of the plan's profiles, for those that have one."""
    mfa_token: str | None = field(default=None, repr=False)
    """The code of --mfa-token."""
    min_remaining: float = MIN_REMAINING
    """A cached session is used while it has at least this much life left."""
    fresh: bool = False
    """Gets a new session; only earlier steps that cost a code may come from a cache."""
    is_local: bool = True
    """Whether the requesting command shares our namespaces, so that the path of its home means the same here."""
    quiet: bool = False
    """No person is at the keyboard: a sign-in that needs one is not started."""
    mfa_window: float = 30
    """How long a device shows one code (RFC 6238)."""
    waits_for: Callable[[str], None] = field(default=lambda what: None, repr=False)
    """Called with what the caller waits for from now on."""
    signed_in: "Callable[[SignInTask], Session] | None" = field(repr=False, default=None)
    """Gives sessions by a sign-in through a browser (`signin.sessions.signed_in`)."""
    leased: "Callable[[Leased, Session | None, Prompter, Context], Session] | None" = field(
        repr=False, default=None
    )
    """Gives credentials of HashiCorp Vault (`hashicorp.leased`): those of a held lease if it can be renewed."""
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True)
class SignInTask:
    """The part of a plan that begins with a sign-in in a browser."""

    step: AwsSignIn | SsoRole
    vault: "Vault"
    prompter: Prompter
    context: Context
    lock: Callable[[], AbstractContextManager[None]]
    """The lock of the sign-in step, among threads and processes."""
    rejected: str | None = None
    """The access key id of a session that AWS did not accept."""
