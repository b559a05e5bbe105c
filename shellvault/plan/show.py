"""A plan for a person, and for a program."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from shellvault import display
from shellvault.display import printable
from shellvault.plan.model import SIGN_INS, Plan, Step
from shellvault.profiles.durations import format_duration


def to_json(plan: Plan) -> dict[str, Any]:
    """The plan as `shellvault why --format json` prints it; what a step does not have is left out."""
    steps = []
    for step in plan.steps:
        optional = {
            "credential_source": step.credential_source,
            "vault_path": step.engine.path if step.engine else None,
            "vault_namespace": step.engine.server.namespace if step.engine and step.engine.server else None,
            "role_arn": step.role_arn,
            "duration": step.duration,
            "mfa_serial": step.mfa_serial,
            "policy": json.loads(step.policy) if step.policy else None,
            "policy_arns": list(step.policy_arns) or None,
            "endpoint_url": step.endpoint.url,
            "programs": list(step.programs) or None,
        }
        given = {name: value for name, value in optional.items() if value is not None}
        shown = {"call": step.call, "profile": step.profile, **given}
        steps.append({**shown, "prompts_mfa": step.prompts_mfa, "cache": step.cache})
    return {"profile": plan.profile, "steps": steps, "mfa_prompts": plan.mfa_prompts}


#: Where the session of a step is kept, by its `cache`.
KEPT: Mapping[str, str] = {"vault": "kept in the vault", "memory": "kept in memory", "none": "not cached"}


def describe(plan: Plan, kept: Mapping[str, str] = KEPT) -> str:
    """The plan for a person, without a newline at the end; `kept` is where sessions are, in the form of KEPT."""
    codes = "no MFA code" if plan.mfa_prompts == 0 else "one MFA code"
    lines = [f"{printable(plan.profile)} needs {codes} when nothing is cached:"]
    lines += [f"  {number}. {_described(step, kept)}" for number, step in enumerate(plan.steps, 1)]
    return "\n".join([*lines, *(f"note: {display.printable(note)}" for note in plan.notes)])


def _described(step: Step, kept: Mapping[str, str]) -> str:
    parts = [f"{step.call} ({printable(step.profile)})"]
    if step.credential_source:
        parts.append(step.credential_source)
    if step.engine:
        server = step.engine.server
        namespace = f" in namespace {server.namespace}" if server and server.namespace else ""
        parts.append(printable(step.engine.path + namespace))
    if step.role_arn:
        parts.append(printable(step.role_arn))
    if step.duration:
        asked = f" (asked for {format_duration(step.requested_duration)})" if step.requested_duration else ""
        parts.append(format_duration(step.duration) + asked)
    if step.sso and step.call == "sso":
        parts.append(f"{printable(step.sso.role_name or '')} in {printable(step.sso.account_id or '')}")
    elif step.call in SIGN_INS:
        subject = step.sso.session_name or step.sso.start_url if step.sso else step.login_session
        parts.append(printable(subject or ""))
    if step.mfa_serial:
        parts.append(f"MFA code of {printable(step.mfa_serial)}")
    if step.policy_arns:
        parts.append(f"narrowed to {' and '.join(map(printable, step.policy_arns))}")
    if step.policy:
        digest = hashlib.sha256(step.policy.encode()).hexdigest()[:12]
        more = "and" if step.policy_arns else "narrowed to"
        parts.append(f"{more} a policy of {len(step.policy)} characters (SHA-256 {digest}…)")
    if step.endpoint.url:
        parts.append(f"asks {printable(step.endpoint.url)}")
    parts += [f"runs `{printable(program)}`" for program in step.programs]
    # Sign-ins are in the vault wherever sessions are.
    parts.append((KEPT if step.call in SIGN_INS else kept)[step.cache])
    return ", ".join(parts)
