"""Keeps other users from the agent's memory, and its memory from the disk."""

import contextlib
import ctypes
import os
import socket
import stat
import struct
import sys
from pathlib import Path

from shellvault.errors import AgentError

#: prctl(2), mlockall(2)
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT = 1, 2, 4


#: The user id for all users that our user namespace does not map, and the map with all users: user_namespaces(7)
OVERFLOW_UID = 65534
FULL_UID_MAP = ["0", "0", "4294967295"]


def protect_process() -> None:
    """No core files, no debugger of the same user, no swap; each as far as this system allows it."""
    import resource  # not on Windows, where this module is imported all the same

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform != "linux":
        return
    forbid_tracing()
    libc = ctypes.CDLL(None)
    # Under a limit, a lock on all future memory would make later allocations fail: better swappable than
    # dead. MCL_ONFAULT locks what is used, not what is mapped.
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    if limit == resource.RLIM_INFINITY or os.geteuid() == 0:
        libc.mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)


def forbid_tracing() -> None:
    """No debugger of the same user and no core file, until this process becomes another program (Linux; prctl(2))."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def die_with_parent() -> None:
    """Makes the kernel end this process when its parent ends (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, 9, 0, 0, 0)


def check_folder(folder: Path) -> None:
    """Checks that the socket's folder is a real one that only this user can enter, and that others cannot put
    another in its place: the folders above it are ours or root's, and where all may write, they are sticky.

    Raises AgentError when it is not; FileNotFoundError when it is absent.
    """
    status = folder.lstat()
    if (
        not stat.S_ISDIR(status.st_mode)
        or status.st_uid != os.getuid()
        or stat.S_IMODE(status.st_mode) & 0o077
    ):
        raise AgentError(
            f"{str(folder)!a} is not a folder of this user alone: remove it, or set XDG_RUNTIME_DIR"
        )
    for parent in folder.resolve().parents:
        status = parent.stat()
        if not _is_trusted(status.st_uid) or status.st_mode & (stat.S_IWOTH | stat.S_ISVTX) == stat.S_IWOTH:
            raise AgentError(
                f"other users may change {str(parent)!a}, the folder of {str(folder)!a}: set XDG_RUNTIME_DIR to another"
            )


def _is_trusted(uid: int) -> bool:
    """Whether this user may own the folders above ours: us, root, or the overflow id of root outside our namespace."""
    if uid in (0, os.getuid()):
        return True
    try:
        return uid == OVERFLOW_UID and Path("/proc/self/uid_map").read_text().split() != FULL_UID_MAP
    except OSError:
        return False


def peer_uid(connection: socket.socket) -> int:
    """The user id at the other end: SO_PEERCRED (unix(7)), LOCAL_PEERCRED (unix(4) of macOS and the BSDs).

    Raises OSError when the system does not say.
    """
    if sys.platform == "linux":
        data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", data)[1])
    # struct xucred: version, uid, …; SOL_LOCAL is 0 and LOCAL_PEERCRED 1.
    data = connection.getsockopt(0, 1, 76)
    return int(struct.unpack_from("2I", data)[1])


def peer_pid(connection: socket.socket) -> int:
    """The process id at the other end, when it connected or began to listen: SO_PEERCRED, LOCAL_PEERPID."""
    option = (socket.SOL_SOCKET, socket.SO_PEERCRED) if sys.platform == "linux" else (0, 2)
    return int(struct.unpack("i", connection.getsockopt(*option, struct.calcsize("i")))[0])


def raise_descriptor_limit(wanted: int) -> int:
    """Allows this process `wanted` open files if the hard limit does; returns how many it may open."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    goal = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < goal:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (goal, hard))
    return (
        goal if soft == resource.RLIM_INFINITY else max(soft, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    )
