"""What holds a session now: this shell by its environment, and all others as the agent knows them."""

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from shellvault import actors, here
from shellvault.cli import session_state
from shellvault.errors import ShellvaultError
from shellvault.fastlane.sections import text_of

#: How a session continues: renewed in this shell or by an endpoint, by a person, or not at all.
Renewal = Literal["renewed", "needs you", "ends", "does not expire"]


@dataclass(frozen=True, slots=True)
class Receipt:
    """The session of this shell. Times are epoch seconds."""

    profile: str
    account: str
    account_name: str
    role: str
    narrowed: str
    source: str
    """The calls that it comes from, such as `stored-keys, assume-role`."""
    kept: Literal["environment", "endpoint"]
    expires_at: float | None
    """None: it does not expire, or only the endpoint knows its end."""
    renewal: Renewal
    valid: bool


def receipt(environment: Mapping[str, str]) -> Receipt | None:
    """The session of this environment; None where it has none of shellvault's."""
    profile = environment.get("AWS_VAULT", "")
    has_endpoint = "AWS_CONTAINER_CREDENTIALS_FULL_URI" in environment
    if not profile or not (environment.get("AWS_ACCESS_KEY_ID") or has_endpoint):
        return None
    kept: Literal["environment", "endpoint"] = "endpoint" if has_endpoint else "environment"
    ours = _holder(session_state.agent_status(environment), kept)
    # The agent knows how its sessions were made; to plan it again takes longer than all else.
    facts = ours if ours.get("calls") else _planned(environment)
    expires_at = _end(environment) if kept == "environment" else ours.get("expires_at")
    is_over = expires_at is not None and expires_at <= time.time()
    return Receipt(
        profile=profile,
        account=environment.get("AWS_ACCOUNT_ID") or facts["account"],
        account_name=_account_name(profile, environment),
        role=facts["role"].rpartition("/")[2],
        narrowed=environment.get("SHELLVAULT_NARROWED", ""),
        source=facts["calls"],
        kept=kept,
        expires_at=expires_at,
        renewal=_renewal(facts["codes"], ours, kept, expires_at),
        valid=bool(ours) if kept == "endpoint" else not is_over,
    )


def everything(environment: Mapping[str, str]) -> list[dict[str, Any]]:
    """Each shell, command, lease and endpoint that holds a session, with its process and folder."""
    agent = session_state.agent_status(environment)
    found = list(agent.get("holders", ()))
    if agent:
        from shellvault.client import permits

        found += [
            {
                "kind": "lease" if permit["is_lease"] else "approval",
                "process": permit["process"],
                "profile": ", ".join(permit["profiles"]),
                "narrowed": ", ".join(permit["narrowing"]),
                "expires_at": permit["until"],
                "number": permit["number"],
            }
            for permit in permits.permits(environment)
        ]
    from shellvault import history

    return [{**holder, "folder": history.folder_of(holder["process"])} for holder in found]


def _planned(environment: Mapping[str, str]) -> Mapping[str, str]:
    """What is known of the session without the agent, and without opening the vault (sessions.about)."""
    from shellvault.sessions.about import about
    from shellvault.sessions.for_request import parsed, plan_for_request

    with suppress(ShellvaultError):
        stored = dict.fromkeys(here.stored_names(environment), "")
        line = environment.get("SHELLVAULT_REQUEST", "")
        return about(plan_for_request(parsed(line), stored, environment, permits=False)[1], None)
    return dict.fromkeys(("account", "role", "calls", "codes"), "")


def _account_name(profile: str, environment: Mapping[str, str]) -> str:
    """`sso_account_name` of the profile, which tools write next to the account."""
    with suppress(ShellvaultError):
        if "sso_account_name" not in text_of(str(here.config_file(environment))).lower():
            return ""
        from shellvault.profiles.parse import load
        from shellvault.profiles.settings import layers_of

        found = layers_of(load(here.config_file(environment)), profile).find("sso_account_name")
        return found.text if found else ""
    return ""


def _end(environment: Mapping[str, str]) -> float | None:
    text = environment.get("SHELLVAULT_EXPIRES_AT", "")
    return float(text) if text.isascii() and text.isdigit() else None


def _holder(agent: Mapping[str, Any], kept: str) -> Mapping[str, Any]:
    """What the agent knows of the session that this process runs in; empty if it knows none."""
    above, pid = [], os.getppid()
    while pid > 1 and pid not in above and (process := actors.seen(pid)):
        above.append(pid)
        pid = process.parent
    kinds = ("endpoint",) if kept == "endpoint" else ("shell",)
    found = {holder["process"]: holder for holder in agent.get("holders", ()) if holder["kind"] in kinds}
    return next((found[pid] for pid in above if pid in found), {})


def _renewal(codes: str, ours: Mapping[str, Any], kept: str, expires_at: float | None) -> Renewal:
    if expires_at is None and kept == "environment":
        return "does not expire"
    if not ours:
        return "ends"
    return "needs you" if ours.get("needs_you") or codes not in ("", "0") else "renewed"
