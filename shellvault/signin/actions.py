"""Operations on sign-ins, in the agent's worker or in the command's own process (`guard.SIGN_INS`). Answers are JSON.

`sign-in` signs in if needed (with a fresh context always). `sign-out` ends the sign-in at AWS and forgets it.
`new-login` signs in to AWS as any principal. `sso-token` gives the token that lists accounts and roles.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shellvault.display import printable
from shellvault.errors import NeedsPersonError, SessionError, UsageError
from shellvault.plan import endpoint_for
from shellvault.plan.steps import AwsSignIn, SignIn, SsoSignIn
from shellvault.profiles.model import Profile
from shellvault.profiles.parse import load
from shellvault.profiles.resolve import resolve, resolve_new_sso_session
from shellvault.sessions.context import Context
from shellvault.sessions.for_request import overrides_of, parsed
from shellvault.sessions.model import Prompter
from shellvault.signin import aws_sign_in, cli_cache, identity_center, service
from shellvault.signin.attempt import SignInAttempt
from shellvault.signin.login import LONGEST, Login
from shellvault.signin.model import Client, Token
from shellvault.signin.service import ServiceRefusalError
from shellvault.signin.steps import sign_in_of

if TYPE_CHECKING:
    from shellvault.vault import Vault

Lock = Callable[[SignIn], AbstractContextManager[None]]


def perform(form: str, line: str, vault: "Vault", lock: Lock, prompter: Prompter, context: Context) -> str:
    """Runs the operation `form` for the profile or sso-session of a request line. Raises any ShellvaultError."""
    asked = parsed(line)
    name, fields = asked.profile, asked.fields
    if form == "new-login":
        return json.dumps(_new_login(name, fields, vault, lock, prompter, context))
    profile, step = _asked_for(name, fields)
    work = SignInAttempt(vault.sign_ins, prompter, context, partial(lock, step), name)
    if form == "sso-token":
        rejected = frozenset([fields["rejected"]] if "rejected" in fields else ())
        return json.dumps(_token(work, profile, step, rejected))
    return json.dumps((_sign_in if form == "sign-in" else _sign_out)(work, profile, step))


def _asked_for(name: str, fields: Mapping[str, str]) -> tuple[Profile, SignIn]:
    """The sign-in of a profile or sso-session; also of an sso-session that is written after the sign-in worked."""
    config, overrides = load(Path(fields["config"])), overrides_of(fields)
    start_url = fields.get("sso-start-url")
    if not start_url:
        return sign_in_of(config, name, overrides)
    profile = resolve_new_sso_session(config, name, start_url, fields.get("sso-region", ""), overrides)
    assert profile.sso is not None  # noqa: S101 - it has just been made
    return profile, SsoSignIn.of(profile, profile.sso)


def _new_login(
    name: str, fields: Mapping[str, str], vault: "Vault", lock: Lock, prompter: Prompter, context: Context
) -> dict[str, Any]:
    """A sign-in for a profile that the command writes afterwards."""
    profile = resolve(load(Path(fields["config"])), name, overrides_of(fields))
    any_principal = AwsSignIn.of(profile, "")
    work = SignInAttempt(vault.sign_ins, prompter, context, partial(lock, any_principal), name)
    found, principal = aws_sign_in.new(work, any_principal)
    aws_sign_in.keep(work, AwsSignIn.of(profile, principal), found)
    return {"subject": principal, "expires_at": found.session.expires_at}


def _sign_in(work: SignInAttempt, profile: Profile, step: SignIn) -> dict[str, Any]:
    # A person asks for this sign-in by name: a browser tab may open again.
    work.unanswered(step.subject).unlink(missing_ok=True)
    if isinstance(step, AwsSignIn):
        if work.context.fresh:
            aws_sign_in.sign_in(work, step)
        session = aws_sign_in.session(work.after_sign_in(), step)
        ends_at = (login := aws_sign_in.current(work, step)) and login.signed_in_at + LONGEST
        return {"subject": step.subject, "expires_at": session.expires_at, "renewed_until": ends_at}
    token = _fresh(work, profile, step) if work.context.fresh else _proven(work, profile, step)
    renews = token.can_refresh(work.context.clock())
    return {
        "subject": step.subject,
        "expires_at": token.expires_at,
        "renewed_until": None if not renews or not token.client else token.client.expires_at,
    }


def _proven(work: SignInAttempt, profile: Profile, step: SsoSignIn) -> Token:
    """A token that the portal accepts; one that was ended elsewhere is replaced."""
    begun = work.context.clock()
    found = identity_center.token(work, step)
    # Whole seconds: one from the second in which we began may be an older one.
    if found.issued_at > begun:
        return found
    identity_center.portal(work, step, endpoint_for(profile, "sso", step.sso.region)).check()
    return identity_center.token(work, step)


def _fresh(work: SignInAttempt, profile: Profile, step: SsoSignIn) -> Token:
    """A new sign-in, and with it a new session at the portal.

    The old one ends first: otherwise AWS continues it, with its old end time. aws-sso-cli showed this with the real
    Identity Center.
    """
    ended, problem = _end_at_portal(work, profile, step, with_cli=True)
    if problem:
        work.prompter.tell(f"the portal's session could not be ended and runs out by itself: {problem}")
    try:
        return identity_center.sign_in(work, step)
    except (SessionError, NeedsPersonError):
        if ended and not problem:
            work.prompter.tell("the previous sign-in has been ended")
        raise


def _end_at_portal(
    work: SignInAttempt, profile: Profile, step: SsoSignIn, *, with_cli: bool = False
) -> tuple[bool, str | None]:
    """Ends our own sign-in at AWS and forgets it, wherever it is kept; `with_cli`: the AWS CLI's too.

    Returns whether there was one, and why the call to AWS failed, if it did.
    """
    path = cli_cache.sso_path(work.aws_directory, step.sso)
    file = cli_cache.read(path)
    theirs = cli_cache.token_of(file) if file else None
    exported = theirs if theirs and _is_exported(work, step, theirs.client) else None
    of_cli = theirs if theirs and with_cli and not exported else None
    if of_cli and of_cli.expires_at <= work.context.clock():
        of_cli = None
    tokens = [token for token in (identity_center.kept(work, step), exported, of_cli) if token]
    portal = endpoint_for(profile, "sso", step.sso.region)
    problem: str | None = None
    for token in tokens:
        if token.expires_at <= work.context.clock():
            continue
        try:
            parameters = {"accessToken": token.access_token}
            service.call("sso", "logout", parameters, portal, "the sign-out", attempts=2)
        except ServiceRefusalError as error:
            # A token that AWS does not accept is signed out already.
            problem = problem if error.name == "UnauthorizedException" else str(error)
        except SessionError as error:
            problem = str(error)
    if exported or (of_cli and not problem):
        path.unlink(missing_ok=True)
    if of_cli and not problem:
        name = printable(step.subject)
        work.prompter.tell(f"the AWS CLI's sign-in to {name} has ended too: `aws sso login` makes a new one")
    identity_center.forget(work, step)
    return bool(tokens), problem


def _sign_out(work: SignInAttempt, profile: Profile, step: SignIn) -> dict[str, Any]:
    """Ends a sign-in here and, where there is a call for it, at AWS; `problem` says why that call failed."""
    problem: str | None = None
    if isinstance(step, AwsSignIn):
        path = cli_cache.login_path(work.aws_directory, work.context.environment, step.login_session)
        ours = Login.from_json(work.store.load(step.fingerprint))
        try:
            if ours:
                aws_sign_in.revoke(work, step, ours)
        except SessionError as error:
            problem = str(error)
        was_signed_in = work.store.remove(step.fingerprint)
        other = cli_cache.read(path)
        remains = bool(other and aws_sign_in.login_of(other, step.endpoint.region))
        return {
            "subject": step.subject,
            "was": was_signed_in,
            "problem": problem,
            "cli_remains": remains,
        }
    was_signed_in, problem = _end_at_portal(work, profile, step)
    file = cli_cache.read(cli_cache.sso_path(work.aws_directory, step.sso))
    theirs = cli_cache.token_of(file) if file else None
    return {
        "subject": step.subject,
        "was": was_signed_in,
        "problem": problem,
        "cli_remains": bool(theirs and theirs.expires_at > work.context.clock()),
    }


def _is_exported(work: SignInAttempt, step: SsoSignIn, client: Client | None) -> bool:
    registered = identity_center.exported_client(work, step)
    return bool(client and registered and client.client_id == registered.client_id)


def _token(work: SignInAttempt, profile: Profile, step: SignIn, rejected: frozenset[str]) -> dict[str, Any]:
    if not isinstance(step, SsoSignIn):
        raise UsageError("accounts and roles are listed for IAM Identity Center only: name an sso_session")
    token = identity_center.token(work, step, rejected)
    endpoint = endpoint_for(profile, "sso", step.sso.region)
    return {"access_token": token.access_token, "endpoint": asdict(endpoint), "sso": asdict(step.sso)}
