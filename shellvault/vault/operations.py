"""The operations of commands on the vault: plain data in, plain data out.

The agent's worker performs them, and its unlock key never leaves it. Without an agent the command performs them
itself. No result holds a secret.
"""

import base64
import os
import stat
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shellvault import files
from shellvault.errors import UsageError, VaultError
from shellvault.vault.records import keys_from_json

if TYPE_CHECKING:
    from shellvault.vault.orphans import Orphan
    from shellvault.vault.vault import Vault

#: Most bytes of a file that the vault keeps a copy of.
BACKUP_LIMIT = 1 << 20


def perform(operation: dict[str, Any], vault: "Vault") -> dict[str, Any]:
    """Performs an operation (docs/protocol.md) and returns its result. Raises UsageError if unknown, VaultError."""
    match operation:
        case {"do": "list"}:
            labels = [{"fingerprint": found, **asdict(label)} for found, label in vault.sessions()]
            sign_ins = {name: asdict(label) for name, label in vault.sign_ins.labels().items()}
            return {
                "backend": vault.backend_name,
                "keys": vault.stored_keys(),
                "sessions": labels,
                "sign_ins": sign_ins,
            }
        case {"do": "unlock"}:
            vault.unlock()
            return {"backend": vault.backend_name}
        case {"do": "orphans"}:
            return {"backend": vault.backend_name, "orphans": [_shown(each) for each in vault.orphans()]}
        case {"do": "remove-orphans"}:
            removed = [_shown(each) for each in vault.remove_orphans()]
            return {"backend": vault.backend_name, "orphans": removed}
        case {"do": "forget-sign-ins"}:
            vault.sign_ins.clear()
            return {"backend": vault.backend_name}
        case {
            "do": "save",
            "name": str(name),
            "access_key_id": str(key_id),
            "secret_access_key": str(secret),
        }:
            vault.save_keys(name, key_id, secret)
            return {"backend": vault.backend_name}
        case {"do": "save-new", "keys": dict(pairs)}:
            vault.save_new_keys({str(name): keys_from_json(pair) for name, pair in pairs.items()})
            return {"backend": vault.backend_name}
        case {"do": "remove", "name": str(name)}:
            return {"backend": vault.backend_name, "sessions": vault.remove_keys(name)}
        case {"do": "clear", "name": str() | None as name}:
            return {"backend": vault.backend_name, "sessions": vault.clear_sessions(name)}
        case {"do": "back-up", "path": str(path)}:
            vault.save_backup(path, base64.b64encode(_content(path)).decode("ascii"))
            return {"backend": vault.backend_name}
        case {"do": "restore", "path": str(path)}:
            _restore(vault, path)
            return {"backend": vault.backend_name}
    raise UsageError("the vault knows no such operation")


def _shown(orphan: "Orphan") -> dict[str, Any]:
    return {"kind": orphan.kind, "name": orphan.name, "is_safe": orphan.is_safe}


def _content(path: str) -> bytes:
    """The present content of a file of this user. Read here, so that only real content is ever restored."""
    try:
        # Non-blocking: a FIFO in its place must not hang the process.
        with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise VaultError(f"{path!r} is not a file: name the file with the keys")
            content = stream.read(BACKUP_LIMIT + 1)
    except OSError as error:
        raise VaultError(f"{path!r} cannot be read ({error.strerror}): make it readable") from error
    if len(content) > BACKUP_LIMIT:
        raise VaultError(f"{path!r} is larger than {BACKUP_LIMIT >> 20} MiB: the vault keeps no copy of it")
    return content


def _restore(vault: "Vault", path: str) -> None:
    """Writes the vault's copy back to the file, in this process: the content goes nowhere else."""
    content = vault.load_backup(path)
    if content is None:
        raise UsageError(f"the vault has no copy of {path!r}")
    try:
        files.replace(Path(path), base64.b64decode(content), 0o600)
    except OSError as error:
        raise VaultError(f"{path!r} cannot be written ({error.strerror}): make it writable") from error
    vault.remove_backup(path)
