"""AWS sign-in (`login_session`, written by `aws login`): credentials that are found, renewed or got from a person."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from shellvault import renewal
from shellvault.display import printable
from shellvault.errors import SessionError, VaultError
from shellvault.plan.regions import default_region, partition_of_region
from shellvault.plan.steps import AwsSignIn
from shellvault.profiles.shapes import looks_as
from shellvault.sessions import locks, unkept
from shellvault.sessions.model import Challenge, Session
from shellvault.sessions.refusals import UnreachableError
from shellvault.sessions.replies import checked_session, epoch
from shellvault.signin import cli_cache, dpop, flows, login, service
from shellvault.signin.attempt import SignInAttempt, is_elsewhere
from shellvault.signin.cli_cache import CachedFile
from shellvault.signin.login import CROSS_DEVICE, LONGEST, SAME_DEVICE, Login
from shellvault.signin.model import is_visible
from shellvault.signin.patience import patiently
from shellvault.signin.pkce import Secrets, new_secrets
from shellvault.signin.service import ServiceRefusalError

#: Seconds of life below which credentials are not used any more.
TOO_SHORT = 20

#: Seconds after a sign-in within which it can only be over if a clock is wrong.
_SOON = 900

#: Most sessions in one call of BatchRevokeSessions.
_REVOKED_AT_ONCE = 5

_THE_FILE = "the AWS CLI's file"


def session(work: SignInAttempt, step: AwsSignIn, rejected: str | None = None) -> Session:
    """Credentials of the sign-in `step` that AWS should accept; not those with the access key id `rejected`.

    They are ours or the AWS CLI's, whichever is newer, and renewed when they are due. A person signs in where nothing
    else helps. Raises NeedsPersonError where no person can be asked, SessionError and VaultError.
    """
    since = work.context.clock()
    if not work.context.fresh and (found := _fit(work, step, rejected, since)):
        return found.session
    with work.lock():
        if found := _fit(work, step, rejected, since, fresh=work.context.fresh):
            return found.session
        found = patiently(lambda: _renewed(work, step, rejected), work.context.waits_for)
        return (found or _from_person(work, step)).session


def sign_in(work: SignInAttempt, step: AwsSignIn) -> Login:
    """A new sign-in by a person, even if there is a good one. Raises as `session`."""
    with work.lock():
        return _from_person(work, step)


def current(work: SignInAttempt, step: AwsSignIn) -> Login | None:
    """The newest sign-in there is, whatever its life."""
    return next((found for found, _ in _candidates(work, step)), None)


def new(work: SignInAttempt, step: AwsSignIn) -> tuple[Login, str]:
    """A sign-in of any principal, and its ARN; nothing is kept. Raises as `session`."""
    return _by_flow(work, step)


def keep(work: SignInAttempt, step: AwsSignIn, found: Login) -> None:
    """Keeps a person's sign-in in the vault."""
    from shellvault.vault import SignInLabel

    end = found.signed_in_at + LONGEST
    label = SignInLabel("aws", step.login_session, end, found.session.expires_at or end)
    try:
        work.store.save(step.fingerprint, label, found.to_json(), work.context.clock())
    except VaultError as error:
        unkept.tell(work.prompter, "the sign-in", error)


def revoke(work: SignInAttempt, step: AwsSignIn, found: Login) -> None:
    """Ends a sign-in at AWS: what was issued to this client within a minute of it. Raises SessionError."""
    endpoint = replace(step.endpoint, region=found.region)
    now = work.context.clock()
    session = found.session
    if session.remaining(now) < TOO_SHORT:
        session = login.renewed(endpoint, found, now).session
    since = found.signed_in_at
    times = {"issuedAfter": since - 60, "issuedBefore": since + 60}
    asked = {"clientId": found.client_id, "status": "ACTIVE", "maxResults": 100, **times}
    what = "the sign-out"
    listed = service.call("signin", "list_sessions", asked, endpoint, what, 2, session)
    arns = [str(item["sessionArn"]) for item in listed.get("items") or () if item.get("sessionArn")]
    for start in range(0, len(arns), _REVOKED_AT_ONCE):
        batch = {"sessionArns": arns[start : start + _REVOKED_AT_ONCE], "reason": "shellvault signout"}
        reply = service.call("signin", "batch_revoke_sessions", batch, endpoint, what, 2, session)
        if reply.get("errors"):
            raise SessionError(f"{what}: AWS has not ended {len(reply['errors'])} of {len(arns)} sessions")


def login_of(file: CachedFile, region: str) -> Login | None:
    """The sign-in in a file of the AWS CLI; None unless it has all that the SDKs require."""
    given = file.document
    keys = given.get("accessToken")
    texts = [given.get(name) for name in ("refreshToken", "clientId")]
    if (
        not isinstance(keys, Mapping)
        or not all(map(is_visible, texts))
        or not dpop.is_key(given.get("dpopKey"))
    ):
        return None
    parts = [keys.get(name) for name in ("accessKeyId", "secretAccessKey", "sessionToken")]
    where = str(given.get("signInRegion") or region)
    if not looks_as(where, "region"):
        return None
    try:
        expires_at = epoch(_THE_FILE, keys.get("expiresAt"))
        # The caller checks its end: an old one can be renewed.
        found = checked_session(_THE_FILE, parts[0], parts[1], parts[2], None, file.written_at)
    except SessionError:
        return None
    account = keys.get("accountId")
    return Login(
        replace(
            found,
            expires_at=expires_at,
            issued_at=file.written_at,
            account_id=account if isinstance(account, str) else None,
        ),
        str(texts[0]),
        given["dpopKey"],
        str(texts[1]),
        where,
        file.written_at,
    )


def _candidates(
    work: SignInAttempt, step: AwsSignIn, *, ours: bool = True
) -> list[tuple[Login, CachedFile | None]]:
    """Our sign-in (unless `ours` is false) and the AWS CLI's (with its file), the newer first."""
    path = cli_cache.login_path(work.aws_directory, work.context.environment, step.login_session)
    file = cli_cache.read(path)
    found: list[tuple[Login | None, CachedFile | None]] = [
        (Login.from_json(work.store.load(step.fingerprint)) if ours else None, None),
        (login_of(file, step.endpoint.region) if file else None, file),
    ]
    return sorted(
        [(its_login, its_file) for its_login, its_file in found if its_login],
        key=lambda pair: pair[0].session.issued_at,
        reverse=True,
    )


def _fit(
    work: SignInAttempt, step: AwsSignIn, rejected: str | None, since: float, *, fresh: bool = False
) -> Login | None:
    """The newest sign-in whose credentials are not due, or were issued since the request."""
    now = work.context.clock()
    for found, _ in _candidates(work, step):
        its = found.session
        end = its.expires_at or 0
        lead = renewal.lead(its.issued_at, end) * renewal.REACH
        needed = max(lead, work.context.min_remaining)
        is_new = its.issued_at >= since and end - now > TOO_SHORT
        if its.access_key_id != rejected and (is_new or (not fresh and end - now > needed)):
            return found
    return None


def _renewed(work: SignInAttempt, step: AwsSignIn, rejected: str | None) -> Login | None:
    """A sign-in without a person; None when only a person helps. Raises UnreachableError when AWS cannot say."""
    problem: SessionError | None = None
    now = work.context.clock()
    candidates = _candidates(work, step)
    for found, file in candidates:
        if not found.refresh_token or not dpop.is_key(found.key):
            continue
        try:
            again = _renewed_where_made(work, step, found)
        except UnreachableError as error:
            problem = error
            continue
        except ServiceRefusalError as error:
            if error.value == "INSUFFICIENT_PERMISSIONS":
                raise
            problem = None
            if error.value == "TOKEN_EXPIRED" and now - found.signed_in_at < _SOON:
                work.prompter.tell(
                    "AWS says that this new sign-in is already over: check this machine's clock"
                )
            if newer := _after_refusal(work, step, found, file):
                return newer
            continue
        if file:
            _refresh_in_place(file, found, again)
        else:
            keep(work, step, again)
        return again
    for found, _ in candidates:
        its = found.session
        if its.access_key_id != rejected and its.remaining(now) > TOO_SHORT:
            return found
    if problem:
        # A network that is down is no reason to sign in again.
        raise problem
    return None


def _renewed_where_made(work: SignInAttempt, step: AwsSignIn, found: Login) -> Login:
    """The sign-in with new credentials. AWS renews it only in the region where it was made.

    The AWS CLI's file does not name that region: it may come from its command line or environment. So the other
    likely regions are tried before a person is asked. Raises as `login.renewed`.
    """
    refusal: ServiceRefusalError | None = None
    for region in _likely_regions(work, step, found):
        try:
            there = replace(step.endpoint, region=region)
            return login.renewed(there, replace(found, region=region), work.context.clock())
        except ServiceRefusalError as error:
            if error.value != "INVALID_REQUEST":
                raise
            refusal = refusal or error
    assert refusal  # noqa: S101 - one region at least was asked
    raise refusal


def _likely_regions(work: SignInAttempt, step: AwsSignIn, found: Login) -> list[str]:
    """The regions in which it may have been made: its own first, and only those of its partition."""
    if step.endpoint.url:
        return [found.region]
    environment = work.context.environment
    partition = partition_of_region(found.region)
    named = [
        found.region,
        step.endpoint.region,
        work.context.regions.get(step.profile),
        environment.get("AWS_REGION"),
        environment.get("AWS_DEFAULT_REGION"),
        default_region(partition),
    ]
    regions = dict.fromkeys(region for region in named if region and looks_as(region, "region"))
    return [region for region in regions if partition_of_region(region) == partition]


def _refresh_in_place(file: CachedFile, found: Login, again: Login) -> None:
    its = again.session
    keys = file.document.get("accessToken")
    old: Mapping[str, Any] = keys if isinstance(keys, Mapping) else {}
    file.replace(
        {
            "accessToken": {
                **old,
                "accessKeyId": its.access_key_id,
                "secretAccessKey": its.secret_access_key,
                "sessionToken": its.session_token,
                "expiresAt": cli_cache.iso(its.expires_at or 0),
            },
            "refreshToken": again.refresh_token,
            # botocore reads it, too.
            **({"signInRegion": again.region} if again.region != found.region else {}),
        }
    )


def _after_refusal(work: SignInAttempt, step: AwsSignIn, old: Login, file: CachedFile | None) -> Login | None:
    """What is left when AWS refuses a refresh token: another program may have just used it and saved a newer one."""
    if file is None:
        # It would be refused again.
        work.store.remove(step.fingerprint)
        return None
    again = cli_cache.read(file.path)
    newer = login_of(again, step.endpoint.region) if again else None
    is_new = newer and newer.refresh_token != old.refresh_token
    return newer if newer and is_new and newer.session.remaining(work.context.clock()) > TOO_SHORT else None


def _from_person(work: SignInAttempt, step: AwsSignIn) -> Login:
    wanted = step.login_session
    work.require_person(f"not signed in as {printable(wanted)}")
    return _by_flow(work, step, wanted)[0]


def _by_flow(work: SignInAttempt, step: AwsSignIn, wanted: str | None = None) -> tuple[Login, str]:
    base = login.base_url(step.endpoint)
    subject = wanted or "AWS"

    def redeem(client_id: str, code: str, secrets: Secrets, redirect: str) -> tuple[Login, str]:
        now = work.context.clock()
        found, principal = login.redeemed(step.endpoint, client_id, code, secrets.verifier, redirect, now)
        if wanted is None:
            return found, principal
        if principal != wanted:
            raise SessionError(
                f"you have signed in as {printable(principal)}, and profile {printable(step.profile)} is for "
                f"{printable(wanted)}: sign in as that, or run `shellvault signin --new NAME` for another profile"
            )
        keep(work, step, found)
        return found, principal

    if is_elsewhere(work.context.environment):
        secrets = new_secrets()
        redirect = f"{base}/v1/sessions/confirmation"
        link = login.authorize_link(base, CROSS_DEVICE, secrets, redirect)
        return flows.by_pasting(
            work,
            Challenge("sign-in-code", subject, "Code from the page: ", link=link),
            lambda pasted: login.code_of(pasted, secrets.state),
            lambda code: redeem(CROSS_DEVICE, code, secrets, redirect),
            _elsewhere(work, step, wanted),
        )
    return flows.by_browser(
        work,
        subject,
        lambda secrets, redirect: login.authorize_link(base, SAME_DEVICE, secrets, redirect),
        lambda code, secrets, redirect: redeem(SAME_DEVICE, code, secrets, redirect),
        _elsewhere(work, step, wanted),
    )


def _elsewhere(
    work: SignInAttempt, step: AwsSignIn, wanted: str | None
) -> Callable[[], tuple[Login, str] | None]:
    """A function that finds a sign-in that another program makes from now on as the principal `wanted`.

    That is the AWS CLI. Our own commands wait for our lock; where none can be made, the vault is looked at, too.
    """
    begun, in_vault = int(work.context.clock()), not locks.are_held()

    def found() -> list[Login]:
        with suppress(VaultError):
            return [its for its, _ in _candidates(work, step, ours=in_vault)] if wanted else []
        return []

    known = {its.session.access_key_id for its in found()}

    def look() -> tuple[Login, str] | None:
        for its in found():
            session = its.session
            is_new = session.issued_at >= begun and session.access_key_id not in known
            if wanted and is_new and session.remaining(work.context.clock()) > TOO_SHORT:
                return its, wanted
        return None

    return look
