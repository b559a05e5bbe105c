"""The plan: the ordered calls from a profile to its session, pure and shown before they are made."""

from shellvault.plan.endpoints import Endpoint, account_of, endpoint_for
from shellvault.plan.model import Plan
from shellvault.plan.options import Options
from shellvault.plan.rules import assumed_role, build, federation_token
from shellvault.plan.show import describe, to_json
from shellvault.plan.steps import SIGN_INS, Step

__all__ = [
    "SIGN_INS",
    "Endpoint",
    "Options",
    "Plan",
    "Step",
    "account_of",
    "assumed_role",
    "build",
    "describe",
    "endpoint_for",
    "federation_token",
    "to_json",
]
