"""Stand-ins for what Linux has not: `keyring`'s own backends of Windows and macOS, over a system's API in memory.

They keep to what the manuals say: a Windows credential holds 2560 bytes and is found by its target alone, whatever the
case (CREDENTIALW); a password of the macOS Keychain by service and account.
"""

import sys
from types import ModuleType
from typing import Any

import pytest

from shellvault.vault import backends

STAND_INS = ("wincred", "keychain")

_KEYRINGS = {"wincred": "keyring.backends.Windows", "keychain": "keyring.backends.macOS"}


def stand_in(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[Any, Any]:
    """Makes this backend one of this system, and returns what it will hold."""
    kept: dict[Any, Any] = {}
    modules = _windows(kept) if name == "wincred" else _macos(kept)
    for module, stand_in in {**modules, _KEYRINGS[name]: None}.items():
        # Set first, so that it is restored afterwards; then removed to be imported again.
        monkeypatch.setitem(sys.modules, module, stand_in or ModuleType(module))
        if stand_in is None:
            del sys.modules[module]
    elsewhere = backends.foreign_to
    monkeypatch.setattr(backends, "foreign_to", lambda other: None if other == name else elsewhere(other))
    return kept


def _windows(kept: dict[Any, Any]) -> dict[str, ModuleType]:
    class NotFoundError(Exception):
        winerror = 1168

        def __init__(self, function: str) -> None:
            self.funcname = function

    def read(Type: int, TargetName: str) -> dict[str, Any]:  # noqa: N803 - as the system names them
        if TargetName.lower() not in kept:
            raise NotFoundError("CredRead")
        return dict(kept[TargetName.lower()])

    def write(credential: dict[str, Any], flags: int) -> None:
        blob = credential["CredentialBlob"].encode("utf-16-le")
        assert len(blob) <= 2560
        assert len(credential["UserName"]) <= 513
        assert len(credential["TargetName"]) <= 32767
        kept[credential["TargetName"].lower()] = credential | {"CredentialBlob": blob}

    def delete(Type: int, TargetName: str) -> None:  # noqa: N803
        if kept.pop(TargetName.lower(), None) is None:
            raise NotFoundError("CredDelete")

    types, cred, package = (ModuleType(name) for name in ("pywintypes", "win32cred", "pywin32"))
    vars(types).update(error=NotFoundError)
    vars(cred).update(
        CredRead=read, CredWrite=write, CredDelete=delete, CRED_TYPE_GENERIC=1, CRED_PERSIST_ENTERPRISE=3
    )
    vars(package).update(pywintypes=types, win32cred=cred)
    return {"win32ctypes": ModuleType("win32ctypes"), "win32ctypes.pywin32": package}


def _macos(kept: dict[Any, Any]) -> dict[str, ModuleType]:
    class Error(Exception):
        pass

    class NotFoundError(Error):
        pass

    def store(keychain: object, service: str, account: str, password: str) -> None:
        kept[service, account] = password

    def find(keychain: object, service: str, account: str) -> str:
        if (service, account) not in kept:
            raise NotFoundError
        return str(kept[service, account])

    def delete(keychain: object, service: str, account: str) -> None:
        if kept.pop((service, account), None) is None:
            raise NotFoundError

    api = ModuleType("keyring.backends.macOS.api")
    vars(api).update(
        Error=Error,
        NotFound=NotFoundError,
        KeychainDenied=type("KeychainDenied", (Error,), {}),
        set_generic_password=store,
        find_generic_password=find,
        delete_generic_password=delete,
    )
    return {"keyring.backends.macOS.api": api}
