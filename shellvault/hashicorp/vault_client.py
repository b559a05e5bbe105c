"""hvac, the client of HashiCorp Vault and OpenBao, restricted: no redirects, no endless replies, no netrc."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import hvac
import requests
from hvac import exceptions

from shellvault.errors import NeedsPersonError, SessionError, ShellvaultError
from shellvault.hashicorp import vault_token
from shellvault.loopback import is_loopback_url
from shellvault.profiles.model import EngineServer, SecretsEngine
from shellvault.sessions.answers import one_line

#: Bytes of a reply; credentials have 3 KiB.
REPLY_LIMIT = 256 * 1024

_TIMEOUTS = (4.0, 20.0)
_CHUNK = 16 * 1024


class EndlessReplyError(requests.exceptions.RequestException):
    """A reply has more than REPLY_LIMIT bytes; the rest has not been read."""


class _Session(requests.Session):
    """A session that reads no reply beyond REPLY_LIMIT, and takes no password from a .netrc file."""

    def __init__(self, server: EngineServer) -> None:
        super().__init__()
        self.trust_env = False
        # A proxy could read plain-text traffic to this machine itself; Go's clients skip it too.
        if not is_loopback_url(server.address):
            self.proxies = requests.utils.get_environ_proxies(server.address)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """See requests.Session. Raises EndlessReplyError."""
        response = super().send(request, **(kwargs | {"stream": True}))
        body = bytearray()
        with response:
            for chunk in response.iter_content(_CHUNK):
                body += chunk
                if len(body) > REPLY_LIMIT:
                    raise EndlessReplyError
        response._content = bytes(body)
        return response


@contextmanager
def client(server: EngineServer, token: str) -> Iterator[hvac.Client]:
    """A client for one piece of work. The plan warns about an unchecked certificate, once."""
    with _Session(server) as session:
        session.verify = not server.skip_verify and (server.ca or True)
        if server.skip_verify:
            requests.packages.urllib3.disable_warnings()  # type: ignore[attr-defined]
        # Loosely typed: its stubs know neither two time-outs nor "no client certificate".
        made: Any = hvac.Client
        yield made(
            url=server.address,
            token=token,
            # None would make hvac read this process's environment, which may not be the command's.
            cert=(),
            verify=session.verify,
            timeout=_TIMEOUTS,
            proxies=session.proxies,
            allow_redirects=False,
            session=session,
            namespace=server.namespace,
        )


def refusal(
    server_name: str,
    what: str,
    error: exceptions.VaultError,
    engine: SecretsEngine | None,
    token: str,
    is_known: Callable[[], bool | None],
) -> ShellvaultError:
    """The error for a refusal, with what to do. `is_known` asks Vault whether it knows the token."""
    said = one_line(_text(error), (token,))
    if isinstance(error, exceptions.Forbidden | exceptions.Unauthorized):
        if "invalid token" in said or is_known() is False:
            return NeedsPersonError(
                f"{server_name} does not take the token (expired or revoked): {vault_token.REMEDY}"
            )
        return SessionError(
            f"{server_name} does not let this token use {what}: ask for a policy that does ({said})"
        )
    if isinstance(error, exceptions.VaultDown):
        if "sealed" in said.lower():
            return SessionError(
                f"{server_name} is sealed: ask its administrator to unseal it, then try again"
            )
        return SessionError(f"{server_name} is not ready: try again in a moment ({said})")
    if isinstance(error, exceptions.InvalidPath):
        # Vault gives no reason for a path below an existing mount.
        reason = f" ({said})" if error.errors else ""
        keys = "shellvault_vault_mount, shellvault_vault_role and VAULT_NAMESPACE"
        return SessionError(f"{server_name} has nothing at {what}: check {keys}{reason}")
    if isinstance(error, exceptions.RateLimitExceeded):
        return SessionError(f"{server_name} gets too many requests: wait a little, then try again")
    return SessionError(f"{server_name} refused {what}: {said}{_advice(said, engine)}")


def _text(error: exceptions.VaultError) -> str:
    errors = (
        error.errors if isinstance(error.errors, list) else [error.errors or error.text or "no reason given"]
    )
    return "; ".join(map(str, errors)) or "no reason given"


def _advice(said: str, engine: SecretsEngine | None) -> str:
    if engine and "not allowed for legacy roles" in said:
        other = "creds" if engine.endpoint == "sts" else "sts"
        return f" (set shellvault_vault_endpoint = {other})"
    if "not found" in said:
        return " (check shellvault_vault_role)"
    return ""
