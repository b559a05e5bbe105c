"""KDE's wallet."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from shellvault.vault import bus_address
from shellvault.vault.backend import DESKTOPS, NO_BUS, Backend, Opening, can_ask
from shellvault.vault.probe_result import ProbeResult

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend


def _probe(environment: Mapping[str, str]) -> ProbeResult:
    address = bus_address.of_session(environment)
    if address is None:
        return NO_BUS
    from shellvault.vault import kwallet

    return kwallet.presence(address, can_ask(environment))


def _open(opening: Opening) -> "KeyringBackend":
    from shellvault.vault.kwallet import KWalletKeyring

    return KWalletKeyring(*opening.desktop("kwallet"))


BACKEND = Backend(
    "kwallet",
    _probe,
    _open,
    system=DESKTOPS,
    asks="dialog",
    needs_bus=True,
    modules=("shellvault.vault.kwallet",),
    how_to_unlock="open it on the KDE desktop",
)
