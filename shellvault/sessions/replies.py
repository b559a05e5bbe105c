"""Checks credentials from outside (AWS, a helper process) before anything trusts them."""

import re
from datetime import datetime

from shellvault.errors import SessionError
from shellvault.plan.steps import Process
from shellvault.sessions.model import Session
from shellvault.text import is_visible_ascii

#: Characters; AWS documents 128 for a key id and no limit for tokens, which are below 3,000 in practice.
_LIMITS = {"access key id": 128, "secret access key": 256, "session token": 32_768}


def checked_session(
    giver: str,
    access_key_id: object,
    secret_access_key: object,
    session_token: object,
    expires_at: int | None,
    now: float,
    *,
    longest: int = Process.longest,
    account_id: str | None = None,
) -> Session:
    """A session from a reply's parts; times are epoch seconds.

    An expiry later than `longest` seconds from now is not trusted: the session counts as ending then.
    Raises SessionError, naming `giver` and never a secret, for anything that cannot be AWS credentials.
    """
    token = None if session_token is None else _visible(giver, "session token", session_token)
    if expires_at is not None and expires_at <= now:
        raise SessionError(f"{giver} gave a session that has expired already: check this machine's clock")
    return Session(
        _visible(giver, "access key id", access_key_id),
        _visible(giver, "secret access key", secret_access_key),
        token,
        int(now),
        None if expires_at is None else min(expires_at, int(now) + longest),
        account_id,
    )


def _visible(giver: str, what: str, value: object) -> str:
    if not is_visible_ascii(value) or len(value) > _LIMITS[what]:
        raise SessionError(f"{giver} gave no usable {what}: look at what it answers")
    return value


def epoch(giver: str, text: object) -> int:
    """The epoch second of a time with a zone: ISO 8601, or as in RFC 1123 (`Sun, 09 Sep 2001 02:46:40 GMT`).

    Raises SessionError for anything else.
    """
    from email.utils import parsedate_to_datetime

    for parse in (_iso_8601, parsedate_to_datetime):
        try:
            time = parse(text) if isinstance(text, str) else None
            if time is not None and time.tzinfo is not None:
                return int(time.timestamp())
        except (ValueError, OverflowError):
            pass
    raise SessionError(f"{giver} gave no usable expiry time: look at what it answers")


def _iso_8601(text: str) -> datetime:
    # Old AWS CLIs wrote `UTC` instead of `Z`.
    return datetime.fromisoformat(re.sub(r" ?(UTC|GMT)$", "Z", text.strip()))
