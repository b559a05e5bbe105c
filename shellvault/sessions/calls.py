"""The calls to AWS: each turns one step of a plan into a session.

Nothing here reads the user's AWS config file, credentials or profile: everything comes from the step. A whole
call ends within DEADLINE seconds, whatever the network does.
"""

import ssl
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any

from shellvault import network
from shellvault.deadline import within
from shellvault.display import printable
from shellvault.errors import SessionError
from shellvault.plan import Endpoint, account_of
from shellvault.plan.steps import SsoRole, StsCall
from shellvault.profiles.model import Service
from shellvault.sessions import sts_call
from shellvault.sessions.answers import NOWHERE, Places, answer_of, one_line
from shellvault.sessions.clients import client_for
from shellvault.sessions.model import Session
from shellvault.sessions.refusals import BusyError, UnreachableError, UnsentError, refusal
from shellvault.sessions.replies import checked_session

#: Seconds that one call may take, name resolution, retries and a slow answer included.
DEADLINE = 12.0


def call_sts(
    step: StsCall, source: Session | None, now: float, code: str | None = None, token: str | None = None
) -> Session:
    """Makes the STS call of `step` with the credentials `source`, an MFA `code` or a web identity `token`.

    Raises RefusedError when AWS refuses, SessionError when it cannot be reached or its answer is invalid.
    """
    parameters = step.parameters(now)
    if code:
        parameters |= {"SerialNumber": step.device, "TokenCode": code}
    if token:
        parameters |= {"WebIdentityToken": token}
    what = step.title
    # A code is good for one attempt: a retry after a lost answer would only report it as used.
    attempts = 1 if code else 2
    if sts_call.serves(step.endpoint):
        reply = _asked(step, parameters, source, attempts)
    else:
        reply = invoke("sts", step.operation, parameters, step.endpoint, source, attempts, what, step.places)
    return _credentials(reply, step, what, now)


def _asked(
    step: StsCall, parameters: Mapping[str, Any], source: Session | None, attempts: int
) -> Mapping[str, Any]:
    """The reply of STS without botocore. Raises what `invoke` raises."""
    what, endpoint = step.title, step.endpoint
    name = "".join(word.capitalize() for word in step.call.split("-"))
    secrets = _secrets(parameters, source)
    try:
        return within(DEADLINE, lambda: sts_call.ask(name, parameters, endpoint, source, attempts))
    except sts_call.RefusalError as error:
        raise refusal(what, answer_of(error.response, secrets), step.places) from None
    except ssl.SSLError as error:
        raise UnsentError(f"{what}: {_interposed(endpoint)} ({network.reason(error)})") from None
    except network.EndlessReplyError:
        raise _endless(what, endpoint) from None
    except (OSError, HTTPException) as error:
        raise _unreachable(what, endpoint, error) from None
    except Exception as error:
        raise SessionError(f"{what}: {_interposed(endpoint)} ({type(error).__name__})") from None


def role_session(reply: Mapping[str, Any], step: SsoRole, now: float) -> Session:
    """The session in a reply of sso:GetRoleCredentials. Raises SessionError when it holds none."""
    what = step.title
    found = reply.get("roleCredentials")
    given: Mapping[str, Any] = found if isinstance(found, dict) else {}
    expiration = given.get("expiration")
    if type(expiration) is not int:
        raise SessionError(f"AWS gave no expiry time for {what}: try again, or check endpoint_url")
    parts = (given.get("accessKeyId"), given.get("secretAccessKey"), given.get("sessionToken"))
    return checked_session(
        "AWS", *parts, expiration // 1000, now, longest=step.longest, account_id=step.sso.account_id
    )


def _credentials(reply: Mapping[str, Any], step: StsCall, what: str, now: float) -> Session:
    found = reply.get("Credentials")
    given: Mapping[str, Any] = found if isinstance(found, dict) else {}
    try:
        expires_at = int(given["Expiration"].timestamp())
    except (KeyError, AttributeError, ValueError, OverflowError) as error:
        raise SessionError(f"AWS gave no expiry time for {what}: try again, or check endpoint_url") from error
    parts = (given.get("AccessKeyId"), given.get("SecretAccessKey"), given.get("SessionToken"))
    user = reply.get("AssumedRoleUser")
    account = account_of(user.get("Arn") if isinstance(user, dict) else None)
    return checked_session(
        "AWS",
        *parts,
        expires_at,
        now,
        longest=step.longest,
        account_id=account or account_of(step.arn),
    )


def invoke(
    service: Service,
    operation: str,
    parameters: Mapping[str, Any],
    endpoint: Endpoint,
    source: Session | None,
    attempts: int,
    what: str,
    places: Places = NOWHERE,
    client: Any = None,
) -> Mapping[str, Any]:
    """One API call and its reply, within DEADLINE. `source` None sends it unsigned; `what` names it in messages.

    `places` has the places of settings that a refusal may name. `client` reuses one of `client_for`, since making
    one is slow.

    Raises RefusedError when AWS refuses, UnreachableError when it cannot be reached, and SessionError when its answer
    is invalid. A portal that says "later" raises BusyError: its calls are repeated (`signin.patience`).
    """
    import botocore.exceptions as exceptions

    from shellvault.sessions.reply_limit import is_endless

    if endpoint.ca_bundle and not Path(endpoint.ca_bundle).exists():
        raise SessionError(f"there is no CA bundle {printable(endpoint.ca_bundle)}: correct ca_bundle")
    secrets = _secrets(parameters, source)

    def run() -> Mapping[str, Any]:
        used = client or client_for(service, endpoint, source, attempts)
        reply: Mapping[str, Any] = getattr(used, operation)(**parameters)
        return reply

    try:
        # Socket time-outs limit neither name resolution nor a trickling answer: this does.
        return within(DEADLINE, run)
    except exceptions.ClientError as error:
        answer = answer_of(error.response, secrets)
        if service == "sso" and answer.is_passing:
            raise BusyError(what, answer) from None
        raise refusal(what, answer, places) from None
    except exceptions.SSLError as error:
        raise UnsentError(f"{what}: {_interposed(endpoint)} ({network.reason(error)})") from None
    except (exceptions.HTTPClientError, exceptions.EndpointConnectionError, OSError) as error:
        if isinstance(error, exceptions.HTTPClientError) and is_endless(error):
            raise _endless(what, endpoint) from None
        raise _unreachable(what, endpoint, error) from None
    except exceptions.BotoCoreError as error:
        raise SessionError(f"{what} failed: {one_line(str(error), secrets)}") from None
    except Exception as error:
        # The errors of botocore's parsers for a strange reply are undocumented, and quote the reply.
        raise SessionError(f"{what}: {_interposed(endpoint)} ({type(error).__name__})") from None


def _secrets(parameters: Mapping[str, Any], source: Session | None) -> list[str | None]:
    """What no message may repeat."""
    secrets = [parameters.get(name) for name in ("TokenCode", "WebIdentityToken", "accessToken")]
    return secrets + ([source.secret_access_key, source.session_token] if source else [])


def _where(endpoint: Endpoint) -> str:
    return printable(endpoint.url or f"AWS in {endpoint.region}{' (FIPS)' if endpoint.fips else ''}")


def _endless(what: str, endpoint: Endpoint) -> SessionError:
    return SessionError(f"{what}: {_where(endpoint)} answers without end: check endpoint_url and proxy")


def _unreachable(what: str, endpoint: Endpoint, error: BaseException) -> UnreachableError:
    kind = UnreachableError if network.was_sent(error) else UnsentError
    reason = network.reason(error)
    return kind(f"{what}: {_where(endpoint)} cannot be reached: check network and proxy ({reason})")


def _interposed(endpoint: Endpoint) -> str:
    """The message for an answer that is not from AWS."""
    if endpoint.url:
        return f"what answers at {printable(endpoint.url)} is not AWS: check endpoint_url and ca_bundle"
    return (
        "something between here and AWS answers in its place: a network that wants a sign-in (open a browser), or a "
        "proxy of the company's own (set ca_bundle to its certificates)"
    )
