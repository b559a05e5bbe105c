"""The kinds of steps, each of which gets a session; `sessions.making` makes their calls."""

from shellvault.plan.steps.base import HOUR, Step, fingerprinted, following
from shellvault.plan.steps.leased import Leased
from shellvault.plan.steps.machine import Process, Source
from shellvault.plan.steps.sign_in import AwsSignIn, SignIn, SsoRole, SsoSignIn
from shellvault.plan.steps.stored_keys import StoredKeys
from shellvault.plan.steps.sts import (
    AssumeRole,
    FederationToken,
    NarrowableCall,
    SessionToken,
    StsCall,
    WebIdentity,
)

__all__ = [
    "HOUR",
    "KINDS",
    "SIGN_INS",
    "SOURCES",
    "AssumeRole",
    "AwsSignIn",
    "FederationToken",
    "Leased",
    "NarrowableCall",
    "Process",
    "SessionToken",
    "SignIn",
    "Source",
    "SsoRole",
    "SsoSignIn",
    "Step",
    "StoredKeys",
    "StsCall",
    "WebIdentity",
    "fingerprinted",
    "following",
]

#: Sources of credentials for a profile without stored keys; the first that it names counts.
SOURCES: tuple[type[Step], ...] = (
    Leased,
    Source,
    SsoRole,
    WebIdentity,
    AwsSignIn,
    Process,
)

KINDS: tuple[type[Step], ...] = (StoredKeys, SessionToken, AssumeRole, SsoSignIn, FederationToken, *SOURCES)

#: The names of the steps for which a person signs in through a browser.
SIGN_INS = tuple(kind.call for kind in KINDS if kind.is_sign_in)
