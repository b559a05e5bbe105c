"""The record of a vault backend. Each module in `backends` defines one.

Cheap to import: a record imports its backend's libraries only when it is probed or opened.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from shellvault.errors import VaultError
from shellvault.vault import bus_address
from shellvault.vault.probe_result import ProbeResult

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

#: Where a keyring shows a dialog.
DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")

#: Prefix of an item's service name, the same in every backend.
SERVICE = "shellvault"

MACOS, WINDOWS, LINUX = "macOS", "Windows", "Linux"
DESKTOPS = "Linux and the BSDs"

#: Asks for a passphrase. Arguments: whether it is a new one, what was wrong with the last answer, the file's path.
AskPassphrase = Callable[[bool, str | None, Path], str]


class Opening(NamedTuple):
    """What a backend may use when it is opened."""

    environment: Mapping[str, str]
    seconds: float
    """How long a call may wait for a person."""
    ask_passphrase: AskPassphrase
    unlock_key: bytes | None
    tell: Callable[[str], None]
    """Shows a message to the person."""

    def desktop(self, name: str) -> tuple[str, float | None]:
        """The bus of a desktop keyring, and the seconds that its dialog may take (None: no dialog is possible).

        Raises VaultError.
        """
        address = bus_address.of_session(self.environment)
        if address is None:
            raise VaultError(
                f"the vault {name} needs a D-Bus session bus and DBUS_SESSION_BUS_ADDRESS is not set: "
                "log in to a desktop, or choose another with --backend"
            )
        return address, self.seconds if can_ask(self.environment) else None


@dataclass(frozen=True, slots=True)
class Backend:
    """One backend. `open` returns a keyring object (get, set, delete), with `names(service)` if it can list."""

    name: str
    probe: Callable[[Mapping[str, str]], ProbeResult]
    """Whether it can be used, and if not, why (one line). Unlocks nothing."""
    open: Callable[[Opening], "KeyringBackend"]
    """Reads and asks nothing yet. Raises ImportError, VaultError."""
    system: str | None = None
    """The only systems that have it (MACOS, WINDOWS, LINUX, DESKTOPS); None: every system."""
    is_found: bool = True
    """Whether it may be chosen by default."""
    asks: Literal["nothing", "dialog", "anywhere"] = "nothing"
    """Whether it may ask a person: `dialog`: only with a display; `anywhere`: not known in advance."""
    bounds_itself: bool = False
    """Whether its calls have deadlines of their own."""
    most_characters: int | None = None
    """The limits of one item."""
    service_of: Callable[[str], str] = lambda key: SERVICE
    """The service name under which a key's item is stored."""
    writes: int = 1
    """How many writes it takes until no older value is left."""
    needs_bus: bool = False
    modules: tuple[str, ...] = ()
    """Modules that its probe imports; imported before threads start."""
    how_to_unlock: str = "unlock it on the desktop"
    """The remedy when it is locked and no dialog is possible."""
    lasts: Callable[[Mapping[str, str]], str | None] = lambda environment: None
    """How long it keeps keys, in words; None: for good."""


def can_ask(environment: Mapping[str, str]) -> bool:
    """Whether a keyring can show a dialog."""
    if sys.platform in ("darwin", "win32"):
        return True
    return any(environment.get(name) for name in DISPLAYS)


def is_of(system: str) -> bool:
    """Whether the current system is `system`."""
    here = {"darwin": (MACOS,), "win32": (WINDOWS,), "linux": (LINUX, DESKTOPS)}.get(
        sys.platform, (DESKTOPS,)
    )
    return system in here


NO_BUS = ProbeResult(False, False, "there is no D-Bus session bus (DBUS_SESSION_BUS_ADDRESS is not set)")
