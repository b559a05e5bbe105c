"""What the worker imports, and when: no job's thread may import what another imports at the same time."""

import os
from collections.abc import Callable
from functools import partial

from shellvault import guard, threads
from shellvault.fastlane import request
from shellvault.fastlane.sections import text_of
from shellvault.protocol import Message
from shellvault.sessions import clients
from shellvault.shells import SHELLS, render
from shellvault.vault import opening

#: What a session of stored keys and roles imports, before any thread starts (see `threads`).
_USUAL = (
    "botocore.client",
    "botocore.session",
    "encodings.idna",
    "jinja2",
    "shellvault.sessions.reply_limit",
    "shellvault.shells.export",
)

#: What other jobs import in addition, except Vault's library.
_OTHER = (
    "boto3.session",
    "botocore.credentials",
    "shellvault.rotation.operation",
    "shellvault.hashicorp.secrets_engine",
    "shellvault.sessions.sources",
    "shellvault.signin.actions",
    "shellvault.signin.sessions",
    "shellvault.worker.leases",
)

#: The settings of profiles that need those.
_KEYS_OF_OTHERS = ("credential_source", "login_session", "shellvault_vault", "sso_")


def load() -> None:
    """Imports what usual jobs need."""
    threads.load(*_USUAL, *opening.modules(os.environ))


def modules_of(job: Message) -> tuple[str, ...]:
    """What a job imports in addition to what every worker has, before its thread starts."""
    is_usual = (
        "request" in job and job["forms"][0] not in guard.SIGN_INS and not _may_need_others(job["request"])
    )
    return () if is_usual else _OTHER


def _may_need_others(line: str) -> bool:
    """Whether a session may need more than stored keys and roles. Any profile's setting counts for all profiles, which
    is quick to find out."""
    try:
        config = request.decode(line)[1]["config"]
    except (ValueError, KeyError):
        return True
    return any(key in text for text in (line, text_of(config)) for key in _KEYS_OF_OTHERS)


def warm_up_steps() -> list[Callable[[], object]]:
    """What would slow down the first job of a kind."""
    return [clients.warm_up, *(partial(render.warm_up, shell) for shell in SHELLS)]
