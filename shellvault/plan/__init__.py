"""The plan: the ordered calls from a profile to its session, pure and shown before they are made."""

from shellvault.plan.model import HOUR, Call, Endpoint, Options, Plan, Step
from shellvault.plan.rules import build
from shellvault.plan.show import describe, to_json

__all__ = ["HOUR", "Call", "Endpoint", "Options", "Plan", "Step", "build", "describe", "to_json"]
