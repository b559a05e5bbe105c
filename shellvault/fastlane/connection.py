"""One question to the agent over its socket, in the plain-text half of the protocol (docs/protocol.md).

On the warm path: imports only what a bare interpreter holds, and the socket. Everything that the other side
sends is checked, and one deadline ends all waits.
"""

import _socket
import posix
import sys
from time import monotonic, sleep

from shellvault import __version__

#: Bytes of a socket's path (locations.SOCKET_PATH_BYTES).
PATH_LIMIT = 103
#: Bytes of a reply; a snippet has about 4,000.
REPLY_LIMIT = 1024 * 1024
#: Seconds between two attempts when the agent's queue of connections is full.
PAUSE = 0.005

#: What the agent may answer. "absent" and "strange" are our own: no listener, or not our agent.
STATUSES = ("ok", "wait", "needs-you", "miss")
ABSENT, STRANGE = "absent", "strange"


def agent_allowed(environment: dict[str, str]) -> bool:
    """Whether the user lets shellvault use an agent."""
    return environment.get("SHELLVAULT_NO_AGENT", "") in ("", "0")


def state_directory(environment: dict[str, str]) -> str:
    """Where shellvault keeps its state, as `locations.state_directory` has it; "" without a home."""
    state, home = environment.get("XDG_STATE_HOME", ""), environment.get("HOME", "")
    if not state.startswith("/"):
        state = home + "/.local/state" if home.startswith("/") else ""
    return state and state + "/shellvault"


def socket_path(environment: dict[str, str]) -> str:
    """Where the agent listens, as `locations.socket_path` has it; "" without a place for it."""
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    path = runtime + "/shellvault/agent.sock"
    size = len(path.encode(sys.getfilesystemencoding(), "surrogateescape"))
    if runtime.startswith("/") and size <= PATH_LIMIT and _is_ours(runtime):
        return path
    state = state_directory(environment)
    return state and state + "/run/agent.sock"


def _is_ours(directory: str) -> bool:
    try:
        return posix.stat(directory).st_uid == posix.getuid()
    except OSError:
        return False


def read(path: str, *, ours: bool = False, limit: int | None = None) -> bytes:
    """A file's whole content, or no more of it than its first `limit` bytes are in.

    Raises OSError, and ValueError for what is to be `ours` and others may have written.
    """
    flags = posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK | (posix.O_NOFOLLOW if ours else 0)
    descriptor = posix.open(path, flags)
    try:
        # Of the open file, not the path: a shell will evaluate this.
        file = posix.fstat(descriptor)
        if ours and (file.st_uid != posix.geteuid() or file.st_mode & 0o022):
            raise ValueError(path)
        content = b""
        while (limit is None or len(content) < limit) and (part := posix.read(descriptor, 65536)):
            content += part
        return content
    finally:
        posix.close(descriptor)


def ask(
    environment: dict[str, str], verb: str, form: str, pid: int | None, key: str, patience: float
) -> tuple[str, bytes]:
    """Sends one text request and returns status and text; the text is empty unless the status is "ok".

    `pid` is the shell that keeps the answer; None for a caller that will not ask again. Takes at most
    `patience` seconds and never raises. "absent": no process listens. "strange": the listener is
    another user's, hangs, or does not speak the protocol.
    """
    deadline = monotonic() + patience
    path = socket_path(environment)
    channel = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        try:
            reach(channel, path, deadline)
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
            return ABSENT, b""
        if _peer(channel) != posix.geteuid():
            return STRANGE, b""
        channel.sendall(f"SV1 {__version__} {verb} {form} {pid or '-'} {key}\n".encode("ascii"))
        return _split(_receive(channel, deadline))
    except (OSError, ValueError):
        return STRANGE, b""
    finally:
        channel.close()


def listens(environment: dict[str, str], deadline: float) -> bool:
    """Whether an agent takes connections. Raises OSError for what can be neither reached nor replaced."""
    channel = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        reach(channel, socket_path(environment), deadline)
        return True
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        return False
    finally:
        channel.close()


def reach(channel: _socket.socket, path: str, deadline: float) -> None:
    """Connects by the deadline of the monotonic clock. Raises OSError."""
    while True:
        channel.settimeout(_left(deadline))
        try:
            return channel.connect(path)
        except BlockingIOError:
            # A hundred commands at once, and the listener's backlog is full.
            sleep(PAUSE)


def _left(deadline: float) -> float:
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _peer(channel: _socket.socket) -> int:
    """The listener's user id, from the kernel (as `hardening.peer_uid`, which imports too much).

    Raises OSError where the kernel does not say.
    """
    if sys.platform == "linux":
        # struct ucred in unix(7): pid, uid and gid, four bytes each.
        credentials = channel.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
    else:
        # struct xucred of macOS and the BSDs: version, uid, …; SOL_LOCAL is 0 and LOCAL_PEERCRED 1.
        credentials = channel.getsockopt(0, 1, 76)
    return int.from_bytes(credentials[4:8], sys.byteorder)


def _receive(channel: _socket.socket, deadline: float) -> bytes:
    reply = b""
    while len(reply) <= REPLY_LIMIT:
        channel.settimeout(_left(deadline))
        part = channel.recv(65536)
        if not part:
            return reply
        reply += part
    raise ValueError("an endless reply")


def _split(reply: bytes) -> tuple[str, bytes]:
    line, newline, text = reply.partition(b"\n")
    status = line.decode("ascii")
    # A whole text ends in a newline: without one the agent died while it was writing.
    if not newline or status not in STATUSES or text.endswith(b"\n") != (status == "ok"):
        return STRANGE, b""
    return status, text
