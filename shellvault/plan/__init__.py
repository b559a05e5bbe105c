"""The plan: the ordered calls from a profile to its session, pure and shown before they are made."""

from shellvault.plan.endpoints import Endpoint, account_of, endpoint_for
from shellvault.plan.model import LONGEST, SIGN_INS, Options, Plan, Step
from shellvault.plan.rules import assumed_role, aws_sign_in, build, federation_token, sso_sign_in
from shellvault.plan.show import describe, to_json

__all__ = [
    "LONGEST",
    "SIGN_INS",
    "Endpoint",
    "Options",
    "Plan",
    "Step",
    "account_of",
    "assumed_role",
    "aws_sign_in",
    "build",
    "describe",
    "endpoint_for",
    "federation_token",
    "sso_sign_in",
    "to_json",
]
