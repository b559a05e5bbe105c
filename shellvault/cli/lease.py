"""`exec --lease`: a command, and all that it starts, gets only the named sessions."""

import ctypes
import os
import sys
from collections.abc import Sequence

from shellvault import hardening
from shellvault.callers import NO_SECRETS
from shellvault.cli import child
from shellvault.cli.options import SessionRequest
from shellvault.cli.program import run
from shellvault.client import permits
from shellvault.dialogue import output
from shellvault.display import printable
from shellvault.errors import UsageError
from shellvault.fastlane import request
from shellvault.profiles.durations import parse_duration

#: prctl(2): a process that has lost its parent becomes our child, and so stays below the lease.
PR_SET_CHILD_SUBREAPER = 36


def take(asked: SessionRequest, lasts: str, more: Sequence[str], *, full: bool) -> SessionRequest:
    """Takes a lease for this process. Returns what to ask for: the session as narrow as the lease.

    Without a narrowing of its own a lease is read-only and keeps secrets back, unless it is to be `full`.
    Raises UsageError, NotAllowedError, AgentError.
    """
    if not asked.agent:
        raise UsageError("--lease is kept by the agent: leave --no-agent and SHELLVAULT_NO_AGENT out")
    own = {name: asked.options[name] for name in request.NARROWING if name in asked.options}
    if full and own:
        raise UsageError("--full and a narrower session are two things: choose one")
    narrowing = own or ({} if full else {"read-only": NO_SECRETS})
    profiles = [request.escape(name) for name in (asked.profile, *more)]
    permits.lease(asked.environment, asked.line, profiles, narrowing, float(parse_duration(lasts)))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # For as long as the child runs, our environment may hold a passphrase (proc_pid_environ(5)).
    hardening.forbid_tracing()
    return asked.with_options(narrowing)


def serve(program: list[str], environment: dict[str, str]) -> int:
    """Runs the program below this process, whose end ends the lease, and returns its exit status."""
    with child.holding_signals() as mask:
        status = run(program, environment, mask)
    _end_orphans()
    return status


def _end_orphans() -> None:
    """Warns of processes of the command that still run: the lease ends with this process."""
    try:
        import psutil

        left = psutil.Process(os.getpid()).children()
    except psutil.Error:
        return
    if left:
        names = ", ".join(sorted({child.name() for child in left}))
        output.note(f"still running without the lease: {printable(names, None)}")
