"""Calls to the services behind a sign-in: with a deadline, and with each refusal named as the service names it."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from shellvault import network
from shellvault.deadline import within
from shellvault.display import printable
from shellvault.errors import SessionError
from shellvault.plan import Endpoint
from shellvault.profiles.model import Service
from shellvault.sessions.answers import NOWHERE, Answer, Places, answer_of, explained, one_line
from shellvault.sessions.clients import client_for
from shellvault.sessions.model import Session
from shellvault.sessions.refusals import BusyError, UnreachableError

#: Seconds that one call may take, with name resolution, retries and a slow answer.
DEADLINE = 12.0

#: The operations for which botocore's rules ignore a custom endpoint.
_CONTROL_PLANE = ("batch_revoke_sessions", "list_sessions")


class ServiceRefusalError(SessionError):
    """The service answered, and the answer is no."""

    def __init__(self, what: str, answer: Answer, places: Places = NOWHERE) -> None:
        super().__init__(explained(what, answer, places))
        self.answer = answer
        self.name, self.value = answer.code, answer.value
        """The exception of the service model, and the member `error` of its body."""


def call(
    service: Service,
    operation: str,
    parameters: Mapping[str, Any],
    endpoint: Endpoint,
    what: str,
    attempts: int = 1,
    source: Session | None = None,
    headers: Mapping[str, str] | None = None,
) -> Mapping[str, Any]:
    """The reply to one call. Messages describe it by `what`, and never show a text of `parameters`.

    One attempt by default: codes and refresh tokens work once, so a second try after a lost answer would be
    refused. Raises UnreachableError, and ServiceRefusalError when AWS says no.
    """
    import botocore.exceptions as exceptions

    if endpoint.ca_bundle and not Path(endpoint.ca_bundle).exists():
        raise SessionError(f"there is no CA bundle {printable(endpoint.ca_bundle)}: correct ca_bundle")
    secrets = [text for text in _texts(parameters) if len(text) > 5]

    def run() -> Mapping[str, Any]:
        client = client_for(service, endpoint, source, attempts)
        if endpoint.url and operation in _CONTROL_PLANE:
            # The person asked for a custom endpoint, and botocore ignores it here.
            client.meta.events.register("before-call", lambda params, **_: _redirect(params, endpoint.url))
        if headers:
            client.meta.events.register("before-call", lambda params, **_: params["headers"].update(headers))
        reply: Mapping[str, Any] = getattr(client, operation)(**parameters)
        return reply

    try:
        # Socket time-outs limit neither name resolution nor a trickling answer.
        return within(DEADLINE, run)
    except exceptions.ClientError as error:
        answer = answer_of(error.response, secrets)
        if answer.is_passing:
            raise BusyError(what, answer) from None
        raise ServiceRefusalError(what, answer) from None
    except (exceptions.HTTPClientError, exceptions.EndpointConnectionError, OSError) as error:
        where = printable(endpoint.url or f"AWS in {endpoint.region}")
        raise UnreachableError(
            f"{what}: {where} cannot be reached: check network and proxy ({network.reason(error)})"
        ) from None
    except exceptions.BotoCoreError as error:
        raise SessionError(f"{what} failed: {one_line(str(error), secrets)}") from None
    except Exception as error:
        # botocore's parsers raise undocumented errors for a strange reply, and quote it.
        raise UnreachableError(
            f"{what} failed ({type(error).__name__}): check endpoint_url and what answers there"
        ) from None


def _redirect(params: dict[str, Any], url: str | None) -> None:
    params["url"] = f"{(url or '').rstrip('/')}{params['url_path']}"


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part)


@lru_cache(64)
def base_url(service: Service, operation: str, endpoint: Endpoint, *, with_path: bool = False) -> str:
    """Scheme and host of the service and its pages for browsers, or the whole address of the operation.

    Only a call applies botocore's rules for the host, so a call is made and stopped before it is sent.
    """

    class FoundError(Exception):
        """Carries the address to which the call would be sent."""

    def stop(params: Mapping[str, Any], **_: object) -> None:
        raise FoundError(params["url"])

    def run() -> str:
        client = client_for(service, endpoint, None, 1)
        client.meta.events.register("before-call", stop)
        try:
            getattr(client, operation)()
        except FoundError as found:
            if with_path:
                return str(found)
            parts = urlsplit(str(found))
            return f"{parts.scheme}://{parts.netloc}"
        raise SessionError(f"no address of {service} is known in {printable(endpoint.region)}")

    try:
        return within(DEADLINE, run)
    except SessionError:
        raise
    except Exception as error:
        region = printable(endpoint.region)
        raise SessionError(f"no address of {service} is known in {region} ({type(error).__name__})") from None
