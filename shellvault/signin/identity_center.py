"""IAM Identity Center sign-in: the token of a portal, which is found, renewed or got from a person."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from shellvault import settings
from shellvault.display import printable
from shellvault.errors import SessionError, VaultError
from shellvault.plan import Endpoint
from shellvault.plan.steps import SsoSignIn
from shellvault.profiles.model import Sso
from shellvault.profiles.shapes import canonical_start_url as canonical
from shellvault.sessions import locks, unkept
from shellvault.sessions.model import Challenge
from shellvault.sessions.refusals import UnreachableError
from shellvault.signin import cli_cache, flows, oidc
from shellvault.signin.attempt import SignInAttempt, is_elsewhere
from shellvault.signin.cli_cache import CachedFile
from shellvault.signin.model import Client, Token
from shellvault.signin.patience import patiently
from shellvault.signin.pkce import Secrets
from shellvault.signin.portal import Portal
from shellvault.signin.service import ServiceRefusalError
from shellvault.signin.start_urls import resolved

#: Seconds of life below which a token is renewed (as in botocore), and below which it is not used any more.
DUE, TOO_SHORT = 15 * 60, 20

_SLOWER = 5.0


def token(work: SignInAttempt, step: SsoSignIn, rejected: frozenset[str] = frozenset()) -> Token:
    """A token of the sign-in `step` that AWS should accept; `rejected` has the digests of those that it refused.

    It is ours or the AWS CLI's, whichever is newer, and renewed when it is due. A person signs in where nothing else
    helps. Raises NeedsPersonError where no person can be asked, SessionError and VaultError.
    """
    if found := _fit(work, step, rejected, DUE):
        return found
    with work.lock(), _naming_settings(step):
        # Another process may have been faster.
        if found := _fit(work, step, rejected, DUE):
            return found
        if found := patiently(lambda: _renewed(work, step, rejected), work.context.waits_for):
            return found
        if (ours := kept(work, step)) and ours.digest in rejected:
            # No command may show it as a good sign-in.
            work.store.remove(step.fingerprint)
        return _from_person(work, step)


def portal(work: SignInAttempt, step: SsoSignIn, endpoint: Endpoint) -> Portal:
    """The portal of a sign-in; it gets another token when AWS refuses the first. Raises as `token`."""

    def again(rejected: str) -> str:
        return token(work, step, frozenset([rejected])).access_token

    found = token(work, step).access_token
    return Portal(found, endpoint, work.profile, again, work.context.waits_for)


def sign_in(work: SignInAttempt, step: SsoSignIn) -> Token:
    """A new token by a person, even if there is a good one. Raises as `token`."""
    with work.lock(), _naming_settings(step):
        return _from_person(work, step)


@contextmanager
def _naming_settings(step: SsoSignIn) -> Iterator[None]:
    """Makes a refusal name the sign-in, and the lines of the settings that may be wrong."""
    try:
        yield
    except ServiceRefusalError as error:
        sso = step.sso
        raise ServiceRefusalError(
            f"the sign-in to {printable(step.subject)}", error.answer, sso.places
        ) from None


def current(work: SignInAttempt, step: SsoSignIn) -> Token | None:
    """The newest token there is, whatever its life."""
    return next((found for found, _ in _candidates(work, step)), None)


def kept(work: SignInAttempt, step: SsoSignIn) -> Token | None:
    """Our own token in the vault."""
    return Token.from_json(work.store.load(step.fingerprint))


def exported_client(work: SignInAttempt, step: SsoSignIn) -> Client | None:
    """The registration of a sign-in that we put in the AWS CLI's cache: it shows that the file there is ours."""
    return Client.from_json(work.store.load(_client_item(step)))


def forget(work: SignInAttempt, step: SsoSignIn) -> None:
    """Forgets our own sign-in, and that it was put in the AWS CLI's cache."""
    work.store.remove(step.fingerprint)
    work.store.remove(_client_item(step))


def _candidates(
    work: SignInAttempt, step: SsoSignIn, *, ours: bool = True
) -> list[tuple[Token, CachedFile | None]]:
    """Our token (unless `ours` is false) and the AWS CLI's (with its file), the newer first."""
    sso = step.sso
    file = cli_cache.read(cli_cache.sso_path(work.aws_directory, sso))
    found: list[tuple[Token | None, CachedFile | None]] = [
        (kept(work, step) if ours else None, None),
        (cli_cache.token_of(file) if file else None, file),
    ]
    return sorted(
        [(token, its_file) for token, its_file in found if token],
        key=lambda pair: pair[0].issued_at,
        reverse=True,
    )


def _fit(work: SignInAttempt, step: SsoSignIn, rejected: frozenset[str], least: float) -> Token | None:
    """The newest token with at least `least` seconds of life; one that cannot be renewed is used to its end."""
    now = work.context.clock()
    for found, _ in _candidates(work, step):
        needed = least if found.can_refresh(now) else TOO_SHORT
        # A token that lives minutes (an emulator's) is not due at once.
        needed = min(needed, (found.expires_at - found.issued_at) / 3)
        if found.digest not in rejected and found.expires_at - now > needed:
            return found
    return None


def _renewed(work: SignInAttempt, step: SsoSignIn, rejected: frozenset[str]) -> Token | None:
    """A token without a person; None when only a person helps. Raises UnreachableError when AWS cannot say."""
    problem: SessionError | None = None
    for found, file in _candidates(work, step):
        if not found.can_refresh(work.context.clock()):
            continue
        try:
            return _refreshed(work, step, found, file)
        except UnreachableError as error:
            problem = error
        except ServiceRefusalError:
            problem = None
            if newer := _after_refusal(work, step, found, file):
                return newer
    if found_still := _fit(work, step, rejected, TOO_SHORT):
        return found_still
    if problem:
        # A network that is down is no reason to sign in again.
        raise problem
    return None


def _refreshed(work: SignInAttempt, step: SsoSignIn, old: Token, file: CachedFile | None) -> Token:
    assert old.client and old.refresh_token  # noqa: S101 - `can_refresh` says so
    new = oidc.refreshed(step.endpoint, old.client, old.refresh_token, work.context.clock())
    if file:
        cli_cache.refresh_in_place(file, new)
    else:
        _store(work, step, new)
    return new


def _after_refusal(work: SignInAttempt, step: SsoSignIn, old: Token, file: CachedFile | None) -> Token | None:
    """What is left when AWS refuses a refresh token: another program may have just used it and saved a newer one.

    Our own refresh token is forgotten, so that it is not tried again.
    """
    if file:
        again = cli_cache.read(file.path)
        newer = cli_cache.token_of(again) if again else None
        is_new = newer and newer.access_token != old.access_token
        return newer if newer and is_new and newer.expires_at > work.context.clock() + TOO_SHORT else None
    _store(work, step, replace(old, refresh_token=None))
    return None


def _from_person(work: SignInAttempt, step: SsoSignIn) -> Token:
    sso = step.sso
    work.require_person(f"not signed in to {printable(step.subject)}")
    start_url = resolved(sso.start_url, step.endpoint.ca_bundle)
    # A new client each time: with one that AWS has forgotten, only the browser would show an error.
    if is_elsewhere(work.context.environment):
        client = oidc.registered_for_device(step.endpoint, _scopes(sso))
        return _by_device(work, step, client, start_url)
    client = oidc.registered_for_browser(step.endpoint, start_url, _scopes(sso))

    def link_for(secrets: Secrets, redirect: str) -> str:
        return oidc.authorize_link(step.endpoint, client, _scopes(sso), secrets, redirect)

    def redeem(code: str, secrets: Secrets, redirect: str) -> Token:
        now = work.context.clock()
        return _keep(
            work, step, oidc.token_for_code(step.endpoint, client, code, secrets.verifier, redirect, now)
        )

    return flows.by_browser(work, step.subject, link_for, redeem, _elsewhere(work, step))


def _by_device(work: SignInAttempt, step: SsoSignIn, client: Client, start_url: str) -> Token:
    device = oidc.start_device(step.endpoint, client, start_url)
    name = printable(step.subject)

    def poll() -> Token | float:
        try:
            new = oidc.token_for_device(step.endpoint, client, device, work.context.clock())
        except UnreachableError:
            # Also AWS's SlowDownException (RFC 8628, 3.5).
            return _SLOWER
        except ServiceRefusalError as error:
            if error.name == "AuthorizationPendingException":
                return 0.0
            if error.name == "ExpiredTokenException":
                raise flows.timed_out(work, step.subject) from None
            if error.name == "AccessDeniedException":
                raise SessionError(
                    f"the sign-in to {name} was refused in the browser: try again to allow it"
                ) from None
            raise
        return _keep(work, step, new)

    challenge = Challenge(
        "sign-in", step.subject, f"Sign in to {name}", link=device.link_with_code, code=device.user_code
    )
    return flows.by_polling(work, challenge, device.seconds, device.interval, poll, _elsewhere(work, step))


def _elsewhere(work: SignInAttempt, step: SsoSignIn) -> Callable[[], Token | None]:
    """A function that finds a sign-in that another program makes from now on.

    That is the AWS CLI. Our own commands wait for our lock; where none can be made, the vault is looked at, too.
    """
    begun, in_vault = int(work.context.clock()), not locks.are_held()

    def found() -> list[Token]:
        with suppress(VaultError):
            return [its for its, _ in _candidates(work, step, ours=in_vault)]
        return []

    known = {its.access_token for its in found()}

    def look() -> Token | None:
        for its in found():
            is_new = its.issued_at >= begun and its.access_token not in known
            if is_new and its.expires_at > work.context.clock() + TOO_SHORT:
                return its
        return None

    return look


def _keep(work: SignInAttempt, step: SsoSignIn, new: Token) -> Token:
    """Keeps a person's new sign-in: in the vault, or in the AWS CLI's cache if a setting says so."""
    if settings.exports_token(work.context.environment):
        # In one place only: a refresh token works once, so two copies would break each other.
        cli_cache.export(cli_cache.sso_path(work.aws_directory, step.sso), step.sso, new)
        work.store.remove(step.fingerprint)
        if new.client:
            _save(work, _client_item(step), "client", step, new.client.expires_at, new.client.to_json())
    else:
        _store(work, step, new)
    return new


def _store(work: SignInAttempt, step: SsoSignIn, new: Token) -> None:
    end = new.client.expires_at if new.client and new.refresh_token else new.expires_at
    _save(work, step.fingerprint, "sso", step, end, new.to_json(), new.expires_at)


def _save(
    work: SignInAttempt,
    item: str,
    kind: str,
    step: SsoSignIn,
    end: int,
    data: dict[str, Any],
    valid_until: int = 0,
) -> None:
    from shellvault.vault import SignInLabel

    label = SignInLabel(kind, step.subject, end, valid_until)
    try:
        work.store.save(item, label, data, work.context.clock())
    except VaultError as error:
        unkept.tell(work.prompter, "the sign-in", error)


def _client_item(step: SsoSignIn) -> str:
    sso = step.sso
    facts = ["client", canonical(sso.start_url), sso.region, _scopes(sso), step.endpoint.authority]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _scopes(sso: Sso) -> tuple[str, ...]:
    return sso.registration_scopes or oidc.DEFAULT_SCOPES
