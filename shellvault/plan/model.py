"""What a plan is."""

from dataclasses import dataclass, field

from shellvault.plan.steps import Step
from shellvault.profiles.model import Narrowing


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps from a profile to its session, and what a person should know about them."""

    profile: str
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = field(default=())
    narrowing: Narrowing = field(default_factory=Narrowing)
    """What the last step is narrowed to."""
    partition: str | None = None
    """The partition of its session, by ARNs, the portal, the region or a call; None if unknown."""

    @property
    def mfa_prompts(self) -> int:
        """How many MFA codes the plan needs when nothing is cached: 0 or 1."""
        return sum(step.prompts_mfa for step in self.steps)
