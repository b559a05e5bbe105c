"""`exec --ec2-server`: a command with an EC2 metadata service that hands out its session.

The session itself comes from the agent's container endpoint, which serves this process; the child has no token for it.
"""

import http.client
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from shellvault import hardening, myself
from shellvault.cli import child, endpoint
from shellvault.cli.options import SessionRequest
from shellvault.cli.program import apply, or_shell
from shellvault.cli.program import run as run_program
from shellvault.dialogue import output
from shellvault.servers import address, askers, listening, upstream
from shellvault.servers.metadata import MetadataServer
from shellvault.variables import Change

ENDPOINT = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
URI, TOKEN = "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN"

#: Variables that keep an SDK from asking a metadata service, or send it to another.
IN_THE_WAY = (URI, TOKEN, ENDPOINT, "AWS_EC2_METADATA_DISABLED", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE")


def run(asked: SessionRequest, program: list[str], *, lazy: bool) -> int:
    """Runs the program (none: the user's shell) with the server, and returns its exit status."""
    address.check_free()
    change = endpoint.opened(asked, os.getpid(), lazy=lazy)
    source = partial(_session, change.set[URI], change.set[TOKEN])
    region = change.set.get("AWS_REGION", "")
    # For as long as the child runs, our environment may hold a passphrase (proc_pid_environ(5)).
    hardening.forbid_tracing()
    with (
        child.holding_signals() as mask,
        _listener() as listener,
        MetadataServer(listener, source, region, os.geteuid(), _refusal).running(),
    ):
        host, port = listener.getsockname()
        url = f"http://{host}:{port}" if host != address.ADDRESS else ""
        _warn(asked.profile, url)
        environment = apply(_pointing_to(url, change), os.environ)
        environment |= _past_proxies(host, environment)
        return run_program(*or_shell(program, environment, asked.profile), mask)


@contextmanager
def _listener() -> Iterator[socket.socket]:
    """At the service's own address if allowed (root), else at a port of 127.0.0.1 that the kernel chooses."""
    with address.present() as is_present:
        try:
            if not is_present:
                raise PermissionError
            listener = listening.listen(address.ADDRESS, address.PORT)
        except OSError:
            listener = listening.listen("127.0.0.1", 0)
        with listener:
            yield listener


def _warn(profile: str, url: str) -> None:
    where = url or f"http://{address.ADDRESS}"
    text = (
        f"while this runs, every program of yours on this machine can get sessions of {profile} from {where}"
    )
    if url:
        text += f" (those that do not know {ENDPOINT} need: sudo shellvault proxy --bind {address.ADDRESS} --to {url})"
    output.note(text)


def _refusal(connection: socket.socket) -> str:
    """Why what asks gets no session: a coding agent has a rule of its own, unless it runs below this command."""
    pid = askers.process_of(connection)
    if pid is None:
        return ""
    asker, own = myself.actor_of(pid, os.environ), myself.actor(os.environ)
    if asker.kind != "coding-agent" or asker.root == own.root or own.chain[0] in asker.chain:
        return ""
    return f"{asker.program} may not use a session that another program was given: run `shellvault exec` for its own"


def _pointing_to(url: str, change: Change) -> Change:
    """The session behind a metadata service at `url`, empty for the usual place."""
    kept = {name: value for name, value in change.set.items() if name not in IN_THE_WAY}
    changed = kept | ({ENDPOINT: url} if url else {})
    return Change(changed, tuple(name for name in (*change.unset, *IN_THE_WAY) if name not in changed))


def _past_proxies(host: str, environment: Mapping[str, str]) -> dict[str, str]:
    """SDKs send even these requests through the proxy of HTTP_PROXY; the variables that exempt `host` of it."""
    if not (environment.get("HTTP_PROXY") or environment.get("http_proxy")):
        return {}
    exempt = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    return dict.fromkeys(("NO_PROXY", "no_proxy"), f"{exempt},{host}".lstrip(","))


def _session(uri: str, token: str) -> dict[str, Any]:
    """The session as the agent's endpoint has it now. Raises ValueError with the reason when there is none."""
    target = upstream.parse(uri)
    try:
        answer = upstream.ask(target, "GET", "/credentials", {"Authorization": token})
        found = json.loads(answer.body)
    except (OSError, http.client.HTTPException) as error:
        raise ValueError("the agent has ended: start the command again") from error
    if answer.status != 200:
        raise ValueError(str(found.get("message")))
    session: dict[str, Any] = found
    return session
