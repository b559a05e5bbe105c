"""AWS credentials from the AWS secrets engine of HashiCorp Vault or OpenBao: leases that are read, renewed and revoked.

The API is that of Vault's documentation ("AWS secrets engine (API)", "/sys/leases"), spoken by hvac. The token comes
from the waiting command, is used for one piece of work, and kept nowhere.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from shellvault import network, threads
from shellvault.deadline import within
from shellvault.display import printable
from shellvault.errors import NeedsPersonError, SessionError
from shellvault.hashicorp import vault_token
from shellvault.plan import account_of
from shellvault.plan.steps import Leased
from shellvault.profiles.model import EngineServer, SecretsEngine
from shellvault.protocol import HAS_VAULT_TOKEN
from shellvault.sessions.context import Context
from shellvault.sessions.model import Challenge, Lease, Prompter, Session
from shellvault.sessions.replies import checked_session
from shellvault.text import is_visible_ascii

#: Seconds for reading credentials or renewing a lease; Vault may have to make an IAM user first.
DEADLINE = 25.0

#: Seconds for revoking one lease.
REVOKE_DEADLINE = 5.0

#: A renewed lease must have this many times the life left that it had before, else new credentials are read.
WORTH_RENEWING = 1.5

#: Characters of a lease id: the path of its role, and a random part.
_LEASE_ID_LIMIT = 1024


@dataclass(frozen=True, slots=True)
class _Visit:
    """One piece of work at a server, and its token."""

    server: EngineServer
    token: str
    what: str
    """The work in the words of a message."""

    @property
    def server_name(self) -> str:
        return f"Vault at {printable(self.server.address)}"


def credentials(step: Leased, held: Session | None, token: str, now: float) -> Session:
    """The credentials of a step `secrets-engine`: those `held`, renewed if worthwhile, else new ones.

    Raises NeedsPersonError where a new token would help, SessionError for everything else.
    """
    engine = step.engine
    visit = _Visit(step.server, token, f"{engine.path} (profile {printable(step.profile)})")
    if held and held.lease and held.lease.renewable and (longer := _renewed(visit, held, held.lease, now)):
        return longer
    ttl = f"{step.duration}s" if step.duration else None

    def read(client: Any) -> Any:
        return client.secrets.aws.generate_credentials(
            engine.role, endpoint=engine.endpoint, mount_point=engine.mount, ttl=ttl
        )

    reply = _asked(visit, read, DEADLINE, engine)
    return _session(visit, reply, now)


def revoke(lease_id: str, server: EngineServer, token: str) -> None:
    """Ends a lease, and with it what Vault can take back. Raises as `credentials`."""
    visit = _Visit(server, token, "sys/leases/revoke")
    _asked(visit, lambda client: client.sys.revoke_lease(lease_id), REVOKE_DEADLINE)


def ask_token(server: EngineServer, prompter: Prompter, context: Context) -> str:
    """The Vault token of the waiting command. If no command waits: the one in the home that the renewal is for.

    Raises NeedsPersonError without a token.
    """
    address = printable(server.address)
    if not context.quiet:
        return prompter.ask(
            Challenge("vault-token", server.address, f"Vault token for {address}: ", hidden=True)
        )
    if context.environment.get(HAS_VAULT_TOKEN):
        raise NeedsPersonError(f"the token for {address} is in VAULT_TOKEN, where only a command finds it")
    # In other namespaces, the file at this path may be another user's.
    token = vault_token.of_home(context.environment) if context.is_local else ""
    if not token:
        raise NeedsPersonError(f"there is no Vault token for {address}: {vault_token.REMEDY}")
    return token


def _renewed(visit: _Visit, held: Session, lease: Lease, now: float) -> Session | None:
    """The same credentials, renewed; None when Vault extends them by little or not at all."""
    remaining = held.remaining(now)
    asked_for = (held.expires_at or 0) - held.issued_at

    def renew(client: Any) -> Any:
        return client.sys.renew_lease(lease.id, increment=asked_for)

    try:
        reply = _asked(replace(visit, what="sys/leases/renew"), renew, DEADLINE)
        life = _life(visit, reply)
    except SessionError:
        return None
    if life < remaining * WORTH_RENEWING:
        return None
    return replace(held, issued_at=int(now), expires_at=int(now) + min(life, Leased.longest))


def _session(visit: _Visit, reply: Mapping[str, Any], now: float) -> Session:
    found = reply.get("data")
    data: Mapping[str, Any] = found if isinstance(found, dict) else {}
    token = data.get("security_token") or data.get("session_token") or None
    # A role without leases (no_lease) gives the lifetime of its credentials next to them.
    life = _life(visit, reply if reply.get("lease_duration") else {"lease_duration": data.get("ttl")})
    parts = (data.get("access_key"), data.get("secret_key"), token)
    session = checked_session(
        visit.server_name,
        *parts,
        int(now) + life,
        now,
        longest=Leased.longest,
        account_id=account_of(data.get("arn")),
    )
    return replace(session, lease=_lease(reply, revocable=token is None))


def _lease(reply: Mapping[str, Any], *, revocable: bool) -> Lease | None:
    lease_id = reply.get("lease_id")
    if not is_visible_ascii(lease_id) or len(lease_id) > _LEASE_ID_LIMIT:
        return None
    return Lease(lease_id, reply.get("renewable") is True, revocable)


def _life(visit: _Visit, reply: Mapping[str, Any]) -> int:
    """The seconds that a lease has left."""
    life = reply.get("lease_duration")
    if type(life) is not int or life <= 0:
        raise SessionError(f"{visit.server_name} gave no lifetime for {visit.what}: look at what it answers")
    return life


def _asked(
    visit: _Visit, ask: Callable[[Any], Any], seconds: float, engine: SecretsEngine | None = None
) -> Mapping[str, Any]:
    """What Vault answers, within `seconds`; nothing for an answer without content."""
    # Imported here, since few jobs need it; jobs are threads.
    threads.load("hvac", "requests", "shellvault.hashicorp.vault_client")
    try:
        import hvac
        import requests
    except ImportError as error:
        raise SessionError(
            "credentials from Vault need the client hvac: install it with `pip install 'shellvault[vault]'`"
        ) from error
    from shellvault.hashicorp import vault_client

    try:
        reply = within(seconds, lambda: _spoken(visit, ask))
    except hvac.exceptions.VaultError as error:
        raise vault_client.refusal(
            visit.server_name, visit.what, error, engine, visit.token, lambda: _is_known(visit)
        ) from None
    except requests.exceptions.SSLError as error:
        raise SessionError(
            f"{visit.server_name} shows no certificate that can be trusted: set VAULT_CACERT ({network.reason(error)})"
        ) from None
    except (requests.exceptions.RequestException, OSError) as error:
        raise SessionError(
            f"{visit.server_name} cannot be reached for {visit.what}: check VAULT_ADDR, network and proxy "
            f"({network.reason(error)})"
        ) from None
    except Exception as error:
        # hvac's errors for a strange reply are undocumented, and may quote it.
        raise SessionError(f"{_not_vault(visit)} ({type(error).__name__})") from None
    if isinstance(reply, requests.Response):
        if reply.status_code == 204:
            return {}
        if reply.is_redirect:
            raise SessionError(
                f"{visit.server_name} sends us elsewhere ({printable(reply.headers.get('Location', ''))}): a token "
                "goes to VAULT_ADDR alone, set it to the address that answers"
            )
    if not isinstance(reply, dict):
        raise SessionError(_not_vault(visit))
    return reply


def _not_vault(visit: _Visit) -> str:
    return f"what answers at {printable(visit.server.address)} is not Vault: check VAULT_ADDR"


def _spoken(visit: _Visit, ask: Callable[[Any], Any]) -> Any:
    from shellvault.hashicorp.vault_client import client

    with client(visit.server, visit.token) as spoken_to:
        return ask(spoken_to)


def _is_known(visit: _Visit) -> bool | None:
    """Whether Vault knows the token; None if it does not say."""
    import hvac
    import requests

    try:
        within(REVOKE_DEADLINE, lambda: _spoken(visit, lambda client: client.auth.token.lookup_self()))
    except hvac.exceptions.Forbidden:
        return False
    except (hvac.exceptions.VaultError, requests.exceptions.RequestException, OSError):
        return None
    return True
