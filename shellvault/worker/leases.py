"""Vault leases: what the agent notes about them, and revoking them. Only the worker imports this."""

import os
import time
from collections.abc import Mapping
from dataclasses import asdict

from shellvault import locations
from shellvault.errors import ShellvaultError
from shellvault.hashicorp import secrets_engine
from shellvault.plan.steps import Leased
from shellvault.profiles.model import EngineServer
from shellvault.protocol import HAS_VAULT_TOKEN, Message
from shellvault.sessions.context import Context
from shellvault.sessions.model import Lease, Session
from shellvault.worker.channel import JobPrompter

#: Seconds for all leases of one job; an exiting agent waits no longer for them (`server.REVOKING`).
DEADLINE = 7.0

#: Why a lease is not revoked when that would change nothing.
_STS = "AWS takes no session of STS back"


def note(
    step: Leased, session: Session, lease: Lease, environment: Mapping[str, str], *, is_local: bool
) -> Message:
    """What is needed to revoke a session's lease, except the token, which is read from its place."""
    return {
        "id": lease.id,
        "revocable": lease.revocable,
        "profile": step.profile,
        "expires_at": session.expires_at,
        "fingerprint": step.fingerprint,
        "server": asdict(step.server),
        "environment": {name: environment[name] for name in ("HOME", HAS_VAULT_TOKEN) if name in environment},
        "is_local": is_local,
    }


def revoke(job: Message, prompter: JobPrompter) -> Message:
    """Revokes the leases of a job. Returns the ids of those revoked, and why others are not."""
    revoked, kept = [], []
    tokens: dict[str, str] = {}
    end = time.monotonic() + DEADLINE
    for lease in job["revoke"]:
        why = "" if lease["revocable"] else _STS
        try:
            if not why and time.monotonic() > end - secrets_engine.REVOKE_DEADLINE / 2:
                why = "Vault takes too long"
            if not why:
                server = EngineServer(**lease["server"])
                token = tokens.get(server.address) or secrets_engine.ask_token(
                    server, prompter, _context(job, lease, prompter)
                )
                tokens[server.address] = token
                secrets_engine.revoke(lease["id"], server, token)
        except ShellvaultError as error:
            why = str(error)
        if why:
            kept.append({name: lease[name] for name in ("id", "profile", "expires_at")} | {"why": why})
        else:
            revoked.append(lease["id"])
    return {"revoked": revoked, "kept": kept}


def _context(job: Message, lease: Message, prompter: JobPrompter) -> Context:
    """Where the token comes from: the waiting command, else the home that the lease was obtained for."""
    is_quiet = job["environment"] is None
    environment = {**os.environ, **(lease["environment"] if is_quiet else job["environment"])}
    return Context(
        locations.state_directory(environment),
        environment,
        is_local=lease["is_local"] if is_quiet else job["is_local"],
        quiet=is_quiet,
        waits_for=prompter.waits_for,
    )
