"""What decides how, but not which, session is got."""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from shellvault import here
from shellvault.plan.steps import AwsSignIn, SsoRole
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
    """Ours alone (mode 0700): locks, and the digests of used codes."""
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    """That of the command that asked."""
    directory: str = field(default_factory=here.working_directory)
    """The folder of the command that asked: what relative paths mean, and where helper programs run."""
    run_helper: Callable[[Helper], bytes] | None = None
    """Has a helper program run elsewhere and returns its stdout; None: it is run here. Raises SessionError."""
    regions: Mapping[str, str] = field(default_factory=dict)
    """The regions of the profiles that the plan is made of, where they have one."""
    mfa_token: str | None = field(default=None, repr=False)
    """The code of --mfa-token."""
    min_remaining: float = MIN_REMAINING
    """A cached session is used while it has at least this much life left."""
    fresh: bool = False
    """Asks for a new session; only earlier steps that cost a code are still taken from a cache."""
    is_local: bool = True
    """Whether the command that asked shares our namespaces: whether its home is what we see at its path."""
    quiet: bool = False
    """Nobody is at the keyboard: a sign-in that takes a person is not begun."""
    mfa_window: float = 30
    """How long a device shows one code (RFC 6238)."""
    waits_for: Callable[[str], None] = field(default=lambda what: None, repr=False)
    """Hears what is waited for from now on."""
    signed_in: "Callable[[SignInTask], Session] | None" = field(repr=False, default=None)
    """Gives the sessions of those who sign in through a browser (`signin.sessions.signed_in`)."""
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True)
class SignInTask:
    """The part of a plan that begins with a person in a browser."""

    step: AwsSignIn | SsoRole
    vault: "Vault"
    prompter: Prompter
    context: Context
    lock: Callable[[], AbstractContextManager[None]]
    """Of the sign-in step, among threads and processes."""
    rejected: str | None = None
    """The access key id of a session that AWS did not take."""
