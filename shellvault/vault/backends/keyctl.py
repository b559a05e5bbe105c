"""The keyring of the Linux kernel."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from shellvault.vault.backend import LINUX, Backend, Opening
from shellvault.vault.probe_result import ProbeResult

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

#: A key of type `user` holds 32767 bytes (keyrings(7)).
_MOST_CHARACTERS = 32_000


def _probe(environment: Mapping[str, str]) -> ProbeResult:
    from shellvault.vault import kernel_keyring

    return kernel_keyring.presence()


def _open(opening: Opening) -> "KeyringBackend":
    from shellvault.vault.kernel_keyring import KernelKeyring

    return KernelKeyring(opening.environment)


def _lasts(environment: Mapping[str, str]) -> str:
    """The kernel keeps a user's keyring until a restart, or the end of the user's last process (user-keyring(7))."""
    from shellvault.vault.kernel_keyring import timeout

    always = "a restart, or the end of your last process"
    seconds = timeout(environment)
    if not seconds:
        return f"until {always}"
    end = time.strftime("%Y-%m-%d %H:%M", time.localtime(time.time() + seconds))
    return f"until {end} (SHELLVAULT_KEYCTL_TIMEOUT), at the latest until {always}"


# Its keys are lost at a restart, so it is never the default.
BACKEND = Backend(
    "keyctl",
    _probe,
    _open,
    system=LINUX,
    is_found=False,
    bounds_itself=True,
    most_characters=_MOST_CHARACTERS,
    modules=("shellvault.vault.kernel_keyring",),
    lasts=_lasts,
)
