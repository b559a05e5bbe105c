"""Addresses of D-Bus buses, as the D-Bus Specification ("Server Addresses") has them. Imports no D-Bus library."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

#: Characters of a value that need no escape.
_PLAIN = re.compile(rb"[-0-9A-Za-z_/.\\*]")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")


def of_session(environment: Mapping[str, str]) -> str | None:
    """The addresses of the session bus, in the order in which they are tried, separated by `;`; None without any.

    Behind what DBUS_SESSION_BUS_ADDRESS says stands the bus that systemd keeps for this user: a shell in tmux or
    screen has the variable of a session that may be over.
    """
    given = environment.get("DBUS_SESSION_BUS_ADDRESS", "")
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    usual = os.path.join(runtime, "bus").encode() if os.path.isabs(runtime) else None  # noqa: PTH117, PTH118
    found = list(_sockets(given, usual))
    if not found and given.startswith("disabled:"):
        return None
    if usual and usual not in found and _is_ours(Path(os.fsdecode(usual))):
        found.append(usual)
    # One that we cannot connect to is named by the error that follows.
    return ";".join(map(_written, found)) or given or None


def sockets(address: str) -> list[str]:
    """The Unix sockets of an address, as `socket.connect` takes them: an abstract one begins with a NUL."""
    return [os.fsdecode(found) for found in _sockets(address, None)]


def _sockets(address: str, usual: bytes | None) -> Iterator[bytes]:
    """Those of each part that is `unix:path=`, `unix:abstract=`, or `unix:runtime=yes`; other parts are left out."""
    for part in address.split(";"):
        transport, _, listed = part.strip().partition(":")
        values = dict(pair.partition("=")[::2] for pair in listed.split(","))
        if transport != "unix":
            continue
        if "abstract" in values:
            yield b"\0" + _unescaped(values["abstract"])
        elif values.get("path"):
            yield _unescaped(values["path"])
        elif values.get("runtime") == "yes" and usual:
            yield usual


def _unescaped(text: str) -> bytes:
    return _ESCAPE.sub(lambda found: bytes.fromhex(found[1].decode()), os.fsencode(text))


def _written(path: bytes) -> str:
    kind, name = ("abstract", path[1:]) if path.startswith(b"\0") else ("path", path)
    escaped = (bytes([byte]) for byte in name)
    return f"unix:{kind}=" + "".join(
        each.decode() if _PLAIN.match(each) else f"%{each[0]:02x}" for each in escaped
    )


def _is_ours(path: Path) -> bool:
    """Whether there is a socket of this user."""
    try:
        return path.is_socket() and path.stat().st_uid == os.getuid()
    except OSError:
        return False
