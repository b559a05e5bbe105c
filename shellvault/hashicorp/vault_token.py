"""A person's Vault token: where Vault's own command finds it, and for which server it is meant."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from shellvault.text import is_visible_ascii

#: Bytes of a token; Vault's service tokens have about 100, batch tokens some hundreds.
LIMIT = 8192

#: What to do without a token, or with one that Vault does not take.
REMEDY = "run `vault login` (`bao login`), or set VAULT_TOKEN"


def of_command(address: str, environment: Mapping[str, str]) -> str:
    """The token that a command with this environment has for the Vault at `address`; "" for none.

    What a command has is meant for its own VAULT_ADDR: another server does not get it.
    """
    if environment.get("VAULT_ADDR", "").rstrip("/") != address:
        return ""
    token = environment.get("VAULT_TOKEN", "").strip()
    return _checked(token) if token else of_home(environment)


def of_home(environment: Mapping[str, str]) -> str:
    """The token that `vault login` has left in the home; "" for none, or for what can be none."""
    home = environment.get("HOME", "")
    if not home.startswith("/"):
        return ""
    try:
        # Without O_NONBLOCK, opening a named pipe waits for a writer that may never come.
        descriptor = os.open(Path(home, ".vault-token"), os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return ""
            return _checked(file.read(LIMIT + 1).decode("ascii").strip())
    except (OSError, ValueError):
        return ""


def _checked(token: str) -> str:
    return token if is_visible_ascii(token) and len(token) <= LIMIT else ""
