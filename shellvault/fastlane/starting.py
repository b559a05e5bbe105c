"""Starts the agent for a command that finds none, so that the full command line is not loaded for that.

After a failure here `client.starting` tries the same and reports its errors. Imports only builtins, a socket and a
lock, for the first command of the day.
"""

import _socket
import posix
import sys
from time import monotonic, sleep

from shellvault.fastlane import connection

#: What the worker process itself reads from its environment. A worker started with other values is replaced.
WORKER_VARIABLES = (
    "ALL_PROXY",
    "DBUS_SESSION_BUS_ADDRESS",
    "DBUS_SYSTEM_BUS_ADDRESS",
    "DISPLAY",
    "GNOME_KEYRING_CONTROL",
    "GNUPGHOME",
    "HOME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "KDE_FULL_SESSION",
    "KDE_SESSION_VERSION",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LOGNAME",
    "NO_PROXY",
    "PASSAGE_DIR",
    "PASSWORD_STORE_DIR",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TZ",
    "USER",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_CONFIG_HOME",
    "XDG_CURRENT_DESKTOP",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "XDG_STATE_HOME",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)

#: What the agent, and with it a worker that a shell's request starts, gets of its starter's environment.
AGENT_VARIABLES = ("PATH", *WORKER_VARIABLES)

#: Seconds for an agent to come up, and between two attempts at the lock.
PATIENCE, PAUSE = 5.0, 0.02

#: The folder of the package.
PACKAGE = __file__.rpartition("/fastlane/")[0]


def start(environment: dict[str, str]) -> bool:
    """Starts one agent, however many commands want it at once. Returns whether one listens now."""
    deadline = monotonic() + PATIENCE
    try:
        folder = _folder(environment)
        flags = posix.O_RDWR | posix.O_CREAT | posix.O_CLOEXEC | posix.O_NOFOLLOW | posix.O_NONBLOCK
        lock = posix.open(folder + "/starting.lock", flags, 0o600)
        try:
            _lock(lock, deadline)
            if not connection.listens(environment, deadline):
                pid, agent = _spawn(folder, environment)
                _await(pid, agent, deadline)
            return connection.listens(environment, deadline)
        finally:
            posix.close(lock)
    except (OSError, ValueError, NotImplementedError):
        return False


def _await(pid: int, agent: _socket.socket, deadline: float) -> None:
    """Waits until the agent serves or has failed. Its first process, a child of ours, is gone then."""
    try:
        agent.settimeout(max(0.01, deadline - monotonic()))
        agent.recv(1)
    except TimeoutError:
        # SIGKILL
        posix.kill(pid, 9)
    finally:
        agent.close()
    try:  # noqa: SIM105 - contextlib costs more than all this
        posix.waitpid(pid, 0)
    except ChildProcessError:
        # The process that started us ignores SIGCHLD.
        pass


def begin(environment: dict[str, str]) -> None:
    """Starts an agent and does not wait for it. It ends at once where another serves."""
    try:
        _spawn(_folder(environment), environment)[1].close()
    except (OSError, ValueError, NotImplementedError):
        return


def _folder(environment: dict[str, str]) -> str:
    """The folder of the socket, which is made. Raises OSError, ValueError for one that others can enter."""
    folder = connection.socket_path(environment).rpartition("/")[0]
    if not folder:
        raise ValueError("no place for a socket")
    try:  # noqa: SIM105 - as above
        posix.mkdir(folder, 0o700)
    except FileExistsError:
        pass
    status = posix.lstat(folder)
    # S_IFDIR, of stat.h
    if status.st_mode & 0o170077 != 0o040000 or status.st_uid != posix.geteuid():
        raise ValueError(folder)
    return folder


def _lock(descriptor: int, deadline: float) -> None:
    """Locks the open file as `locks.is_locked_now` does. Raises TimeoutError."""
    import fcntl

    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if monotonic() > deadline:
                raise TimeoutError from None
            sleep(PAUSE)


def _spawn(folder: str, environment: dict[str, str]) -> tuple[int, _socket.socket]:
    """Starts an agent. Returns its first process, and a socket that ends when the agent serves."""
    command = [sys.executable, "-I", "-S", PACKAGE + "/agent/__main__.py", "detached", folder]
    given = {name: environment[name] for name in AGENT_VARIABLES if name in environment}
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        actions = [
            (posix.POSIX_SPAWN_DUP2, theirs.fileno(), 1),
            (posix.POSIX_SPAWN_OPEN, 0, "/dev/null", posix.O_RDWR, 0),
            (posix.POSIX_SPAWN_OPEN, 2, "/dev/null", posix.O_RDWR, 0),
        ]
        return posix.posix_spawn(sys.executable, command, given, file_actions=actions), ours
    finally:
        theirs.close()
