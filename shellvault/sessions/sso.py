"""IAM Identity Center roles, by the sign-in that the AWS CLI keeps (`aws sso login`)."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from shellvault.errors import NeedsPersonError, SessionError
from shellvault.plan import Step
from shellvault.profiles.model import Sso
from shellvault.profiles.parse import printable
from shellvault.sessions.calls import get_role_credentials
from shellvault.sessions.model import Session
from shellvault.sessions.refusals import RefusedError
from shellvault.sessions.replies import epoch

_FILE_LIMIT = 256 * 1024


def role_session(step: Step, sso: Sso, environment: Mapping[str, str], now: float) -> Session:
    """The session of the account's role. Raises NeedsPersonError when the sign-in is missing or over."""
    access_token = _access_token(step, sso, environment, now)
    try:
        return get_role_credentials(step, sso, access_token, now)
    except RefusedError as error:
        if error.reason == "rejected-credentials":
            raise _sign_in(step, sso, "AWS no longer accepts the sign-in") from error
        raise


def _access_token(step: Step, sso: Sso, environment: Mapping[str, str], now: float) -> str:
    # The AWS CLI names the file after the sso-session, or without one after the start URL.
    name = hashlib.sha1((sso.session_name or sso.start_url).encode(), usedforsecurity=False).hexdigest()
    home = environment.get("HOME")
    path = (Path(home) if home else Path.home()) / ".aws" / "sso" / "cache" / f"{name}.json"
    try:
        with path.open("rb") as stream:
            found = json.loads(stream.read(_FILE_LIMIT))
    except (OSError, ValueError):
        raise _sign_in(step, sso, "nobody is signed in") from None
    token = found.get("accessToken") if isinstance(found, dict) else None
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
        raise _sign_in(step, sso, "the AWS CLI's sign-in file is damaged")
    try:
        expires_at = epoch(str(path), found.get("expiresAt"))
    except SessionError:
        expires_at = 0
    if expires_at <= now:
        raise _sign_in(step, sso, "the sign-in has expired")
    return token


def _sign_in(step: Step, sso: Sso, problem: str) -> NeedsPersonError:
    where = (
        f"--sso-session {printable(sso.session_name)}"
        if sso.session_name
        else f"--profile {printable(step.profile)}"
    )
    return NeedsPersonError(f"{problem} at {printable(sso.start_url)}: run `aws sso login {where}`")
