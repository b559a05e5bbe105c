"""D-Bus addresses (D-Bus Specification, "Server Addresses"). Imports no D-Bus library."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

#: Characters that need no escape in a value.
_PLAIN = re.compile(rb"[-0-9A-Za-z_/.\\*]")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")


def of_session(environment: Mapping[str, str]) -> str | None:
    """The addresses of the session bus in the order to try, separated by `;`; None if there is none.

    DBUS_SESSION_BUS_ADDRESS comes first, then systemd's bus of this user: in tmux or screen the variable may belong
    to a session that has ended.
    """
    given = environment.get("DBUS_SESSION_BUS_ADDRESS", "")
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    usual = os.path.join(runtime, "bus").encode() if os.path.isabs(runtime) else None  # noqa: PTH117, PTH118
    found = list(_sockets(given, usual))
    if not found and given.startswith("disabled:"):
        return None
    if usual and usual not in found and _is_ours(Path(os.fsdecode(usual))):
        found.append(usual)
    # Kept even if unusable: the error that follows names it.
    return ";".join(map(_written, found)) or given or None


def sockets(address: str) -> list[str]:
    """The Unix sockets of an address, for `socket.connect`: an abstract one begins with NUL."""
    return [os.fsdecode(found) for found in _sockets(address, None)]


def _sockets(address: str, usual: bytes | None) -> Iterator[bytes]:
    """The sockets of the parts `unix:path=`, `unix:abstract=` and `unix:runtime=yes`; other parts are ignored."""
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
    """Whether the path is a socket that this user owns."""
    try:
        return path.is_socket() and path.stat().st_uid == os.getuid()
    except OSError:
        return False
