"""`pass` and `passage`: files that gpg or age has encrypted."""

import shutil
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from shellvault.vault.backend import Backend, Opening
from shellvault.vault.password_places import command, folder
from shellvault.vault.probe_result import ProbeResult

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend


def _probe(program: str, environment: Mapping[str, str]) -> ProbeResult:
    """Whether the program is installed and its store was set up. Decrypts nothing."""
    name = command(program, environment)
    if shutil.which(name, path=environment.get("PATH")) is None:
        return ProbeResult(False, False, f"{name} is not installed")
    store = folder(program, environment)
    marks = {
        "pass": (store / ".gpg-id",),
        "passage": (store / ".age-recipients", store.parent / "identities"),
    }
    if not any(mark.is_file() for mark in marks[program]):
        return ProbeResult(False, False, f"there is no password store in {store}: {program} init makes one")
    return ProbeResult(True, True, f"its store is {store}")


def _open(program: str, opening: Opening) -> "KeyringBackend":
    from shellvault.vault.password_store import PasswordStoreKeyring

    return PasswordStoreKeyring(program, opening.environment)


PASS, PASSAGE = (
    Backend(name, partial(_probe, name), partial(_open, name), asks="anywhere", bounds_itself=True)
    for name in ("pass", "passage")
)
