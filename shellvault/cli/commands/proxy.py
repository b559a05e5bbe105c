"""`shellvault proxy`: makes an endpoint of this machine reachable from elsewhere, such as a container."""

import ipaddress
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from shellvault.cli.child import ENDING
from shellvault.dialogue import output
from shellvault.errors import SessionError, UsageError
from shellvault.loopback import is_loopback
from shellvault.servers import address, listening, upstream
from shellvault.servers.forward import Forwarder


def _nothing_to_stop(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        output.note(
            "there is nothing to stop: a proxy ends with Ctrl-C, or with the command that it was started for"
        )
        context.exit()


@click.command(name="proxy")
@click.option(
    "--stop", is_flag=True, is_eager=True, hidden=True, expose_value=False, callback=_nothing_to_stop
)
@click.option(
    "--bind",
    required=True,
    metavar="PLACE",
    help="Where to serve: ADDRESS[:PORT] (default: 80) or unix:/PATH; 169.254.169.254 takes root.",
)
@click.option(
    "--to",
    "target",
    metavar="ENDPOINT",
    envvar="AWS_CONTAINER_CREDENTIALS_FULL_URI",
    help="http://127.0.0.1:PORT or unix:/PATH (default: what AWS_CONTAINER_CREDENTIALS_FULL_URI names).",
)
def command(bind: str, target: str | None) -> int:
    """Bring the endpoint of `exec --server` to containers.

    A program that asks there needs the token (AWS_CONTAINER_AUTHORIZATION_TOKEN) all the same. It ends with Ctrl-C.

    \b
    shellvault exec --server work -- shellvault proxy --bind unix:/run/user/1000/aws.sock
    """
    if not target:
        raise UsageError(
            "there is no endpoint: start this with `shellvault exec --server NAME --`, or name one with --to"
        )
    to = upstream.parse(target)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        with _listening(bind) as (listener, hosts):
            output.note(f"{bind} leads to {target}; Ctrl-C ends it")
            # At an address of containers a client needs the token. At this one there is no secret.
            is_metadata = listener.getsockname()[0] == address.ADDRESS
            with (
                _as_who_called_sudo() as user,
                Forwarder(listener, to, hosts, user if is_metadata else None).running(),
            ):
                signal.sigwait(ENDING)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return 0


@contextmanager
def _listening(bind: str) -> Iterator[tuple[socket.socket, frozenset[str] | None]]:
    """The listener, and the Host headers that are its own (None: any)."""
    try:
        if bind.startswith("unix:"):
            with listening.listen_in(Path(bind.removeprefix("unix:"))) as listener:
                yield listener, None
            return
        host, port = _place(bind)
        hosts = frozenset({host, f"{host}:{port}", *([f"localhost:{port}"] if is_loopback(host) else [])})
        with ExitStack() as stack:
            if host == address.ADDRESS:
                address.check_free()
                if not stack.enter_context(address.present()):
                    raise SessionError(f"{host} cannot be put on this machine: run this with sudo")
            yield stack.enter_context(listening.listen(host, port)), hosts
    except OSError as error:
        raise SessionError(f"{bind} cannot be served: {error.strerror}") from error


def _place(bind: str) -> tuple[str, int]:
    """The address and the port. Raises UsageError for what is no address of a private network."""
    host, _, port = bind.partition(":")
    try:
        found, number = ipaddress.IPv4Address(host), int(port or address.PORT)
    except ValueError as error:
        raise UsageError(f"not a place to serve at: {bind!r} (ADDRESS[:PORT], or unix:/PATH)") from error
    if found.is_unspecified or not found.is_private or not 0 < number < 65536:
        raise UsageError(
            f"{bind} is open to others: name one address of this machine's own or of a container network"
        )
    return str(found), number


@contextmanager
def _as_who_called_sudo() -> Iterator[int]:
    """Gives up root's rights, but for taking the address away in the end; the user whose programs are served."""
    user, group = (
        int(os.environ.get("SUDO_UID") or os.geteuid()),
        int(os.environ.get("SUDO_GID") or os.getegid()),
    )
    before = os.geteuid(), os.getegid(), os.getgroups()
    if user == before[0]:
        yield user
        return
    os.setgroups([])
    os.setegid(group)
    os.seteuid(user)
    try:
        yield user
    finally:
        os.seteuid(before[0])
        os.setegid(before[1])
        os.setgroups(before[2])
