"""What the worker imports, and when: no job's thread may import what another imports at the same time."""

import os
import re
import sys
from collections.abc import Callable
from functools import partial

from shellvault import guard, threads
from shellvault.fastlane import request
from shellvault.fastlane.sections import text_of
from shellvault.protocol import Message
from shellvault.sessions import sts_call
from shellvault.shells import SHELLS, render
from shellvault.vault import opening

#: What a session of stored keys and roles imports, before any thread starts (see `threads`).
_USUAL = ("certifi", "encodings.idna", "shellvault.sessions.calls", "shellvault.shells.export")

#: What the text for a shell is rendered with.
_RENDERING = ("jinja2",)

#: What other jobs import in addition, except Vault's library.
_OTHER = (
    "boto3.session",
    "botocore.client",
    "botocore.credentials",
    "botocore.session",
    "shellvault.hashicorp.secrets_engine",
    "shellvault.rotation.operation",
    "shellvault.sessions.reply_limit",
    "shellvault.sessions.sources",
    "shellvault.signin.actions",
    "shellvault.signin.sessions",
    "shellvault.worker.leases",
)

#: The settings of profiles that need those, in lower case. The second line is for STS (`sts_call.serves`).
_KEYS_OF_OTHERS = (
    *("credential_source", "login_session", "shellvault_vault", "sso_"),
    *("-global", "ca_bundle", "dualstack", "fips", "legacy"),
)
#: A setting that names a URL, and the URL.
_URL = re.compile(r"endpoint_url\w*\s*=\s*(\S*)", re.IGNORECASE)


def load() -> None:
    """Imports what usual jobs need."""
    threads.load(*_USUAL, *opening.modules(os.environ))


def modules_of(job: Message) -> tuple[str, ...]:
    """What a job imports in addition to what every worker has, before its thread starts."""
    if "request" not in job or job["forms"][0] in guard.SIGN_INS:
        return _OTHER
    renders = _RENDERING if any("." in form for form in job["forms"]) else ()
    return renders + (_OTHER if _may_need_others(job["request"]) else ())


def _may_need_others(line: str) -> bool:
    """Whether a session may need more than stored keys, roles and plain calls to STS. Any profile's setting counts for
    all profiles, which is quick to find out."""
    try:
        fields = request.decode(line)[1]
        text = text_of(fields["config"])
    except (ValueError, KeyError):
        return True
    given = f"{line}\n{text}".lower()
    urls = [*_URL.findall(text), *(value for name, value in fields.items() if "ENDPOINT_URL" in name)]
    return (
        any(key in given for key in _KEYS_OF_OTHERS)
        or not all(map(sts_call.is_plain_url, urls))
        or sys.platform != "linux"
        or sts_call.has_proxy(os.environ)
    )


def warm_up_steps() -> list[Callable[[], object]]:
    """What would slow down the first job of a kind."""
    return [sts_call.trust, *(partial(render.warm_up, shell) for shell in SHELLS)]
