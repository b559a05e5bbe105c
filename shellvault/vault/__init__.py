"""Where long-term keys live: one keyring backend, chosen and named.

Importing this package is cheap; `open_vault` and `probe` import the one backend they need.
"""

from shellvault.vault.backends import BACKENDS, probe
from shellvault.vault.opening import open_vault
from shellvault.vault.records import SessionLabel, StoredKeys
from shellvault.vault.sign_ins import SignInLabel, SignIns
from shellvault.vault.vault import Vault

__all__ = [
    "BACKENDS",
    "SessionLabel",
    "SignInLabel",
    "SignIns",
    "StoredKeys",
    "Vault",
    "open_vault",
    "probe",
]
