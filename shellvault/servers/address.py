"""The address of the EC2 metadata service, on this machine's loopback interface."""

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from shellvault.errors import SessionError

ADDRESS, PORT = "169.254.169.254", 80

#: Seconds to wait for an existing metadata service; a real one answers within a millisecond.
PROBE = 0.1

#: Folders of the system's tools.
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def check_free() -> None:
    """Raises SessionError if a server answers there already: a real instance's service, or another command's."""
    try:
        socket.create_connection((ADDRESS, PORT), PROBE).close()
    except OSError:
        return
    raise SessionError(
        f"something answers at {ADDRESS} already (this machine's own metadata service, or another --ec2-server): "
        "use --server"
    )


@contextmanager
def present() -> Iterator[bool]:
    """Adds the address to the loopback interface until the context ends; yields whether it is there.

    An address that was there before stays.
    """
    if _is_here():
        yield True
        return
    added = _change("add")
    try:
        yield added
    finally:
        if added:
            _change("del")


def _is_here() -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((ADDRESS, 0))
        except OSError:
            return False
        return True


def _change(what: str) -> bool:
    """Adds or removes the address (ip-address(8), ifconfig(8)); False without the tool or the right to do so."""
    if sys.platform == "darwin":
        name, arguments = "ifconfig", ["lo0", "alias" if what == "add" else "-alias", ADDRESS]
    else:
        name, arguments = "ip", ["address", what, f"{ADDRESS}/32", "dev", "lo"]
    program = shutil.which(name, path=SYSTEM_PATH)
    if program is None:
        return False
    done = subprocess.run([program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=10)
    return done.returncode == 0
