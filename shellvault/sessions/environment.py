"""A session as environment variables."""

from datetime import UTC, datetime

from shellvault import renewal
from shellvault.profiles.model import Profile
from shellvault.sessions.model import Session
from shellvault.variables import MANAGED_VARIABLES, Change


def change_for(profile: Profile, session: Session, request_line: str, now: float) -> Change:
    """What the session of `profile`, asked for by `request_line`, does to an environment at epoch `now`.

    A region or endpoint that the user has set is part of the request, and so of the profile; one that is in neither
    can only be left over from another session of ours, and is unset with the rest.
    """
    variables = {
        "AWS_ACCESS_KEY_ID": session.access_key_id,
        "AWS_SECRET_ACCESS_KEY": session.secret_access_key,
        "AWS_VAULT": profile.name,
        "SHELLVAULT_REQUEST": request_line,
    }
    if session.session_token is not None:
        variables["AWS_SESSION_TOKEN"] = session.session_token
    variables |= _expiry(session, now) | _region(profile) | _endpoint(profile)
    return Change(variables, tuple(name for name in MANAGED_VARIABLES if name not in variables))


def _expiry(session: Session, now: float) -> dict[str, str]:
    if session.expires_at is None:
        return {}
    ahead = renewal.lead(session.issued_at or int(now), session.expires_at)
    text = datetime.fromtimestamp(session.expires_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "AWS_CREDENTIAL_EXPIRATION": text,
        "AWS_SESSION_EXPIRATION": text,
        "SHELLVAULT_EXPIRES_AT": str(session.expires_at),
        "SHELLVAULT_REFRESH_AT": str(int(session.expires_at - ahead)),
    }


def _region(profile: Profile) -> dict[str, str]:
    """The region, marked by SHELLVAULT_REGION as ours and not the user's wish for the next session."""
    if profile.region is None:
        return {}
    mark = {} if profile.region_origin == "environment" else {"SHELLVAULT_REGION": profile.region}
    return {"AWS_REGION": profile.region, "AWS_DEFAULT_REGION": profile.region, **mark}


def _endpoint(profile: Profile) -> dict[str, str]:
    if profile.endpoint_url is None:
        return {}
    is_users = profile.endpoint_url_origin == "environment"
    mark = {} if is_users else {"SHELLVAULT_ENDPOINT_URL": profile.endpoint_url}
    return {"AWS_ENDPOINT_URL": profile.endpoint_url, **mark}
