"""The freedesktop Secret Service (gnome-keyring, KeePassXC, KDE)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from shellvault.variables import setting_of
from shellvault.vault import bus_address
from shellvault.vault.backend import DESKTOPS, NO_BUS, Backend, Opening, can_ask
from shellvault.vault.probe_result import ProbeResult

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend


def _collection(environment: Mapping[str, str]) -> str | None:
    """The collection to use; None for the default one."""
    return setting_of("SECRET_SERVICE_COLLECTION_NAME", environment)


def _probe(environment: Mapping[str, str]) -> ProbeResult:
    address = bus_address.of_session(environment)
    if address is None:
        return NO_BUS
    from shellvault.vault import secret_service

    return secret_service.presence(address, can_ask(environment), _collection(environment))


def _open(opening: Opening) -> "KeyringBackend":
    from shellvault.vault.secret_service import SecretServiceKeyring

    return SecretServiceKeyring(*opening.desktop("secret-service"), _collection(opening.environment))


#: Unlocks the keyring without a desktop. The password is not shown and stands on no command line.
_UNLOCK = '(read -rs p; printf %s "$p" | gnome-keyring-daemon --replace --unlock)'

BACKEND = Backend(
    "secret-service",
    _probe,
    _open,
    system=DESKTOPS,
    asks="dialog",
    needs_bus=True,
    modules=("shellvault.vault.secret_service",),
    how_to_unlock=f"run `{_UNLOCK}` and type its password",
)
