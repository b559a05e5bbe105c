"""A plan for a person, and for a program."""

from collections.abc import Mapping
from typing import Any

from shellvault.display import printable
from shellvault.plan.model import Plan
from shellvault.plan.steps import Step


def to_json(plan: Plan) -> dict[str, Any]:
    """The plan as `shellvault why --format json` prints it, without the facts that a step does not have."""
    steps = []
    for step in plan.steps:
        programs = list(step.programs) or None
        optional = {name: value for name, value, _ in step.shown() if name}
        optional |= {"endpoint_url": step.endpoint.url, "programs": programs}
        given = {name: value for name, value in optional.items() if value is not None}
        shown = {"call": step.call, "profile": step.profile, **given}
        steps.append({**shown, "prompts_mfa": step.prompts_mfa, "cache": step.cache})
    return {"profile": plan.profile, "steps": steps, "mfa_prompts": plan.mfa_prompts}


#: Where the session of a step is kept, by its `cache`.
KEPT: Mapping[str, str] = {"vault": "kept in the vault", "memory": "kept in memory", "none": "not cached"}


def describe(plan: Plan, kept: Mapping[str, str] = KEPT) -> str:
    """The plan for a person, without a trailing newline; `kept` says where sessions are, in the form of KEPT."""
    codes = "no MFA code" if plan.mfa_prompts == 0 else "one MFA code"
    lines = [f"{printable(plan.profile)} needs {codes} when nothing is cached:"]
    lines += [f"  {number}. {_described(step, kept)}" for number, step in enumerate(plan.steps, 1)]
    return "\n".join([*lines, *(f"note: {printable(note, None)}" for note in plan.notes)])


def _described(step: Step, kept: Mapping[str, str]) -> str:
    parts = [f"{step.call} ({printable(step.profile)})", *filter(None, (words for *_, words in step.shown()))]
    if step.endpoint.url:
        parts.append(f"asks {printable(step.endpoint.url)}")
    parts += [f"runs `{printable(program)}`" for program in step.programs]
    # Sign-ins are always in the vault.
    parts.append((KEPT if step.is_sign_in else kept)[step.cache])
    return ", ".join(parts)
