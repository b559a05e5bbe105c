"""What decides how, but not which, session is got."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shellvault.sessions.model import Helper

#: A cached session is used while it has at least this many seconds left, unless a request says otherwise.
MIN_REMAINING = 300


def working_directory() -> str:
    """The current folder, `/` when it has been removed: then nothing is found there, but that is all."""
    try:
        return os.getcwd()  # noqa: PTH109 - a string is wanted
    except OSError:
        return "/"


@dataclass(frozen=True, slots=True)
class Context:
    """Everything around one acquisition. Durations in seconds."""

    state_directory: Path
    """Ours alone (mode 0700): locks, and the digests of used codes."""
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    """That of the command that asked."""
    directory: str = field(default_factory=working_directory)
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
    mfa_window: float = 30
    """How long a device shows one code (RFC 6238)."""
    waits_for: Callable[[str], None] = field(default=lambda what: None, repr=False)
    """Hears what is waited for from now on."""
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
