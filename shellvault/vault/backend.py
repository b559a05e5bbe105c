"""What is known of a backend of the vault: one record each, in a module of its own in `backends`.

Light: a record imports what its backend needs when it is probed or opened.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from shellvault.errors import VaultError
from shellvault.vault import bus_address
from shellvault.vault.presence import Presence

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

#: Where a keyring shows a dialog.
DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")

#: What the name of an item's service begins with in every backend.
SERVICE = "shellvault"

MACOS, WINDOWS, LINUX = "macOS", "Windows", "Linux"
DESKTOPS = "Linux and the BSDs"

#: Called with (whether the passphrase is a new one, what was wrong with the last answer, the file's path).
AskPassphrase = Callable[[bool, str | None, Path], str]


class Opening(NamedTuple):
    """What a backend may use when it is opened."""

    environment: Mapping[str, str]
    seconds: float
    """For how long a person may be asked."""
    ask_passphrase: AskPassphrase
    unlock_key: bytes | None
    tell: Callable[[str], None]
    """Hears what a person should know."""

    def desktop(self, name: str) -> tuple[str, float | None]:
        """The bus that a desktop's keyring is on, and how long its dialog may take (seconds); None: there can be none.

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
    """One backend: `open` gives an object with keyring's get, set and delete, and `names(service)` where it lists."""

    name: str
    probe: Callable[[Mapping[str, str]], Presence]
    """Whether it can be used and why not, in one line. Unlocks nothing."""
    open: Callable[[Opening], "KeyringBackend"]
    """Reads and asks nothing yet. Raises ImportError, VaultError."""
    system: str | None = None
    """Where alone it exists (MACOS, WINDOWS, LINUX, DESKTOPS); None: everywhere."""
    is_found: bool = True
    """Whether it is chosen without being named."""
    asks: Literal["nothing", "dialog", "anywhere"] = "nothing"
    """Whether it may ask a person: `dialog` where there is a display; `anywhere`: nobody can tell before."""
    bounds_itself: bool = False
    """Whether its calls end by themselves."""
    most_characters: int | None = None
    """What one item holds."""
    service_of: Callable[[str], str] = lambda key: SERVICE
    """The service under which the item of a key lies."""
    writes: int = 1
    """How often an item is written until nothing older of it is left."""
    needs_bus: bool = False
    modules: tuple[str, ...] = ()
    """What its probe imports: for threads that probe."""
    how_to_unlock: str = "unlock it on the desktop"
    """What to do where it is locked and there is no dialog."""
    lasts: Callable[[Mapping[str, str]], str | None] = lambda environment: None
    """Until when it keeps keys, for a person; None: for good."""


def can_ask(environment: Mapping[str, str]) -> bool:
    """Whether a keyring can show a dialog."""
    if sys.platform in ("darwin", "win32"):
        return True
    return any(environment.get(name) for name in DISPLAYS)


def is_of(system: str) -> bool:
    """Whether this system is it."""
    here = {"darwin": (MACOS,), "win32": (WINDOWS,), "linux": (LINUX, DESKTOPS)}.get(
        sys.platform, (DESKTOPS,)
    )
    return system in here


NO_BUS = Presence(False, False, "there is no D-Bus session bus (DBUS_SESSION_BUS_ADDRESS is not set)")
