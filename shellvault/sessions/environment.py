"""A session as environment variables."""

from collections.abc import Mapping
from datetime import UTC, datetime

from shellvault import renewal
from shellvault.fastlane.request import MARKS
from shellvault.profiles.model import Origin, Profile
from shellvault.sessions.model import Session
from shellvault.variables import MANAGED_VARIABLES, Change


def change_for(
    profile: Profile,
    session: Session,
    request_line: str,
    now: float,
    narrowed: str = "",
    *,
    is_leased: bool = False,
    needs_you_at: int | None = None,
) -> Change:
    """What the session of `profile`, requested by `request_line`, changes in an environment at epoch `now`.

    A region or endpoint that the user has set is part of the request, and so of the profile. Any other can only be
    left over from another shellvault session, and is unset with the rest. `narrowed` is the label of its narrowing,
    for the prompt. `is_leased`: leaving the session has a lease to revoke. `needs_you_at`: see
    sessions.attendance.
    """
    variables = {
        "AWS_ACCESS_KEY_ID": session.access_key_id,
        "AWS_SECRET_ACCESS_KEY": session.secret_access_key,
    }
    if narrowed:
        variables["SHELLVAULT_NARROWED"] = narrowed
    if is_leased:
        variables["SHELLVAULT_LEASED"] = "1"
    if needs_you_at is not None:
        variables["SHELLVAULT_NEEDS_YOU_AT"] = str(needs_you_at)
    if session.session_token is not None:
        variables["AWS_SESSION_TOKEN"] = session.session_token
    if session.account_id is not None:
        variables["AWS_ACCOUNT_ID"] = session.account_id
    return _change(variables | _expiry(session, now), profile, request_line)


def change_without_session(profile: Profile, request_line: str) -> Change:
    """The same without credentials, for a session that does not exist yet."""
    narrowed = profile.narrowing.label if profile.narrowing else ""
    return _change({"SHELLVAULT_NARROWED": narrowed} if narrowed else {}, profile, request_line)


def _change(credentials: Mapping[str, str], profile: Profile, request_line: str) -> Change:
    origin = {"AWS_VAULT": profile.name, "SHELLVAULT_REQUEST": request_line}
    own = {"SHELLVAULT_VARIABLES": " ".join(profile.variables)} if profile.variables else {}
    variables = {**profile.variables, **own, **credentials, **origin, **_settings(profile)}
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


def _marked(name: str, value: str | None, origin: Origin) -> dict[str, str]:
    """A variable, with its mark (request.MARKS), unless the user has set it: then the next request keeps it."""
    if value is None:
        return {}
    return {name: value} if origin == "environment" else {name: value, MARKS[name]: value}


def _settings(profile: Profile) -> dict[str, str]:
    """The profile's settings on where commands call: these do not read it, since AWS_PROFILE is unset."""
    fips, dualstack = profile.use_fips_endpoint, profile.use_dualstack_endpoint
    return {
        **_marked("AWS_REGION", profile.region, profile.region_origin),
        **_marked("AWS_DEFAULT_REGION", profile.region, profile.region_origin),
        **_marked("AWS_ENDPOINT_URL", profile.endpoint_url, profile.endpoint_url_origin),
        **_marked("AWS_USE_FIPS_ENDPOINT", _text(fips), profile.use_fips_endpoint_origin),
        **_marked("AWS_USE_DUALSTACK_ENDPOINT", _text(dualstack), profile.use_dualstack_endpoint_origin),
    }


def _text(flag: bool | None) -> str | None:
    return None if flag is None else str(flag).lower()
