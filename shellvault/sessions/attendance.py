"""When a session will next need a person: the end of what was had with a code or a sign-in."""

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from shellvault.errors import VaultError
from shellvault.plan import Plan
from shellvault.plan.steps import AwsSignIn, SsoRole
from shellvault.sessions.cache import SessionCache
from shellvault.sessions.model import Session

if TYPE_CHECKING:
    from shellvault.vault import Vault


def needs_person_at(plan: Plan, session: Session, cache: SessionCache, vault: "Vault") -> int | None:
    """Epoch seconds of the first such end; None where no person is needed, or it is not known.

    `session` is that of the plan. What is renewed without a person counts with its last renewal.
    """
    ends: list[int | None] = []
    for step in plan.steps:
        if isinstance(step, SsoRole | AwsSignIn):
            sign_in = step.sign_in if isinstance(step, SsoRole) else step
            # A vault that does not answer costs the notice, not the session.
            with suppress(VaultError):
                label = vault.sign_ins.labels().get(sign_in.fingerprint)
                ends.append(label.expires_at if label else None)
        elif step.prompts_mfa and not step.programs:
            kept = [
                cache.load(replace(step, fingerprint=name)) for name in (step.fingerprint, *step.substitutes)
            ]
            made = session if step is plan.steps[-1] else next(filter(None, kept), None)
            ends.append(made.expires_at if made else None)
    return min(filter(None, ends), default=None)
