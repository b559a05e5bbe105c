"""The Linux kernel's keyring as a keyring backend: keys in the kernel's memory, gone at a restart.

keyrings(7), add_key(2), keyctl(2). The items are keys of type `user` in a keyring inside the user's own one. Only
processes of this user can read them.
"""

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Mapping
from typing import Any

from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError

from shellvault.errors import VaultError
from shellvault.vault.probe_result import ProbeResult

#: System call numbers of add_key and keyctl by machine (the kernel's syscall tables).
_CALLS = {"x86_64": (248, 250), "aarch64": (217, 219), "riscv64": (217, 219)}

#: keyctl(2): the user's keyring, and the operations used here.
_USER_KEYRING = -4
_SETPERM, _DESCRIBE, _UNLINK, _SEARCH, _READ, _SET_TIMEOUT = 5, 6, 9, 10, 11, 15

#: Full rights for possessor and user, none for others (KEY_POS_ALL | KEY_USR_ALL).
_PERMISSIONS = 0x3F3F0000

#: The kernel's limit on the payload of a key of type `user`.
LONGEST = 32767

#: Most items that are listed, and most bytes of a description (type, numbers, and a name of at most a page).
_MOST_ITEMS, _MOST_DESCRIPTION = 100_000, 8192


def timeout(environment: Mapping[str, str]) -> int:
    """SHELLVAULT_KEYCTL_TIMEOUT: seconds until a written item expires; 0: as long as the kernel keeps it.

    Raises VaultError if it is not a number.
    """
    given = environment.get("SHELLVAULT_KEYCTL_TIMEOUT") or "0"
    if not given.isascii() or not given.isdigit() or int(given) >= 2**31:
        raise VaultError(f"SHELLVAULT_KEYCTL_TIMEOUT is {given!r}: give a number of seconds")
    return int(given)


class KernelKeyring(KeyringBackend):
    """Items in a keyring named `shellvault`."""

    def __init__(self, environment: Mapping[str, str], name: str = "shellvault") -> None:
        """Raises VaultError for a bad SHELLVAULT_KEYCTL_TIMEOUT."""
        self._timeout = timeout(environment)
        self._name = name.encode("ascii")

    def get_password(self, service: str, username: str) -> str | None:
        """The value, None when there is none. Raises VaultError when the kernel refuses."""
        found = self._find(username)
        if found is None:
            return None
        buffer = ctypes.create_string_buffer(LONGEST)
        size = _keyctl(_READ, found, buffer, LONGEST)
        try:
            return buffer.raw[:size].decode("utf-8", "surrogateescape")
        finally:
            ctypes.memset(buffer, 0, LONGEST)

    def set_password(self, service: str, username: str, password: str) -> None:
        """Stores a value in place of an older one, with the configured timeout. Raises VaultError."""
        data = password.encode("utf-8", "surrogateescape")
        if len(data) > LONGEST:
            raise VaultError(f"the kernel's keyring takes {LONGEST} bytes per item: choose another vault")
        ring = self._ring(make=True)
        key = _add_key(b"user", _description(username), data, ring)
        _keyctl(_SETPERM, key, _PERMISSIONS)
        # Zero clears an earlier timeout (keyctl_set_timeout(3)).
        _keyctl(_SET_TIMEOUT, key, self._timeout)

    def delete_password(self, service: str, username: str) -> None:
        """Deletes a value. Raises PasswordDeleteError when there is none, VaultError when the kernel refuses."""
        found, ring = self._find(username), self._ring()
        if found is None or ring is None:
            raise PasswordDeleteError("there is no such item")
        _keyctl(_UNLINK, found, ring)

    def names(self, service: str = "") -> list[str]:
        """The names of all items; ignores the service. Raises VaultError when the kernel refuses."""
        ring = self._ring()
        if ring is None:
            return []
        buffer = ctypes.create_string_buffer(_MOST_ITEMS * 4)
        size = min(_keyctl(_READ, ring, buffer, len(buffer)), len(buffer))
        described = [_described(number) for (number,) in struct.iter_unpack("i", buffer.raw[:size])]
        return [name for kind, name in described if kind == "user"]

    def _find(self, key: str) -> int | None:
        ring = self._ring()
        return None if ring is None else _search(ring, b"user", _description(key))

    def _ring(self, *, make: bool = False) -> Any:
        ring = _search(_USER_KEYRING, b"keyring", self._name)
        if ring is None and make:
            ring = _add_key(b"keyring", self._name, None, _USER_KEYRING)
            _keyctl(_SETPERM, ring, _PERMISSIONS)
        return ring


def presence() -> ProbeResult:
    """Whether this kernel lets us use its keyring."""
    if sys.platform != "linux" or platform.machine() not in _CALLS:
        return ProbeResult(False, False, "only on Linux, on x86-64, AArch64 and RISC-V")
    try:
        _search(_USER_KEYRING, b"keyring", b"shellvault")
    except VaultError as error:
        return ProbeResult(False, False, str(error))
    return ProbeResult(True, True, "keys stay in the kernel's memory until a restart")


def _description(key: str) -> bytes:
    return key.encode("utf-8", "surrogateescape").replace(b"\0", b"")


def _described(number: int) -> tuple[str, str]:
    """The type and the name of a key; empty if it is gone."""
    buffer = ctypes.create_string_buffer(_MOST_DESCRIPTION)
    try:
        size = min(_keyctl(_DESCRIBE, number, buffer, len(buffer)), len(buffer))
    except _KernelError:
        return "", ""
    text = buffer.raw[:size].rstrip(b"\0").decode("utf-8", "surrogateescape")
    kind, *_, name = text.split(";", 4)
    return kind, name


def _search(ring: int, kind: bytes, description: bytes) -> int | None:
    """The id of a key in a keyring or its sub-keyrings, or None."""
    try:
        return _keyctl(_SEARCH, ring, kind, description, 0)
    except _KernelError as error:
        if error.number in (errno.ENOKEY, errno.EKEYEXPIRED, errno.EKEYREVOKED):
            return None
        raise


def _add_key(kind: bytes, description: bytes, data: bytes | None, ring: int) -> int:
    return _call(0, kind, description, data, len(data or b""), ring)


def _keyctl(operation: int, *arguments: object) -> int:
    return _call(1, operation, *arguments)


def _call(which: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    numbers = _CALLS[platform.machine()]
    converted = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    result = int(libc.syscall(ctypes.c_long(numbers[which]), *converted))
    if result < 0:
        raise _KernelError(ctypes.get_errno())
    return result


class _KernelError(VaultError):
    """The kernel refused a call."""

    def __init__(self, number: int) -> None:
        remedy = ": it is full" if number == errno.EDQUOT else ""
        super().__init__(
            f"the kernel's keyring cannot be used ({os.strerror(number)}){remedy}: choose another vault"
        )
        self.number = number
