"""Where shellvault keeps its files: one function a place, each a function of the environment.

POSIX places follow the XDG Base Directory Specification 0.8 (a relative path in an XDG variable is ignored,
as it demands); Windows places come from `platformdirs`. No file is in a shared temporary folder.
"""

import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

from shellvault.errors import ShellvaultError

#: A Unix socket's `sun_path` holds 104 bytes on macOS and the BSDs (unix(4)), final NUL included.
SOCKET_PATH_BYTES = 103

#: What the launcher, hooks and shims start, in an interpreter that loads nothing else: the interpreter and the
#: script. A virtual environment is known by the interpreter's own path, so only its folder is resolved.
PYTHON = Path(sys.executable).parent.resolve() / Path(sys.executable).name
DOOR = Path(__file__).parent.resolve() / "__main__.py"


class UnusableError(ShellvaultError):
    """A folder of ours cannot be made or written."""


def config_file(environment: Mapping[str, str]) -> Path:
    """shellvault's own settings; the file need not exist."""
    return _base(environment, "XDG_CONFIG_HOME", ".config", "config") / "config.toml"


def state_directory(environment: Mapping[str, str]) -> Path:
    """The folder of locks and the names file, made on demand where the disk allows it.

    Raises ShellvaultError when it is not ours.
    """
    path = _base(environment, "XDG_STATE_HOME", ".local/state", "state")
    try:
        return private_directory(path)
    except UnusableError:
        # A full or read-only disk: what must be written there will say so, and little must.
        return path


def data_directory(environment: Mapping[str, str]) -> Path:
    """The folder of the encrypted file; it need not exist.

    Raises ShellvaultError when SHELLVAULT_FILE_DIR (else AWS_VAULT_FILE_DIR) is not an absolute path: the
    agent works for commands in many folders.
    """
    for variable in ("SHELLVAULT_FILE_DIR", "AWS_VAULT_FILE_DIR"):
        given = environment.get(variable)
        if given:
            path = _home(environment) / given[2:] if given.startswith("~/") else Path(given)
            if not path.is_absolute():
                raise ShellvaultError(f"{variable} is {given!r}: give an absolute path")
            return path
    return _base(environment, "XDG_DATA_HOME", ".local/share", "data")


def names_file(environment: Mapping[str, str]) -> Path:
    """The names that have stored keys, one UTF-8 name a line; its mtime stamps every change of keys."""
    return state_directory(environment) / "names"


def noted_names(names_file: Path) -> list[str]:
    """The names in such a file; none where it cannot be read. Unprintable names are damage, and left out."""
    try:
        text = names_file.read_text("utf-8", "surrogateescape")
    except (OSError, ValueError):
        return []
    return [name for name in text.splitlines() if name.isprintable()]


def runtime_directory(environment: Mapping[str, str]) -> Path:
    """The folder of the agent's socket, made on demand.

    It is `$XDG_RUNTIME_DIR/shellvault` where that variable names a folder of ours and the socket's path fits,
    else `run` in the state directory. Raises ShellvaultError when it is not ours.
    """
    parent = Path(environment.get("XDG_RUNTIME_DIR", ""))
    if parent.is_absolute() and _is_ours(parent):
        path = parent / "shellvault"
        if len(os.fsencode(path / "agent.sock")) <= SOCKET_PATH_BYTES:
            return private_directory(path)
    return private_directory(state_directory(environment) / "run")


def socket_path(environment: Mapping[str, str]) -> Path:
    """The agent's socket. Raises ShellvaultError when no folder for it is ours alone."""
    return runtime_directory(environment) / "agent.sock"


def private_directory(path: Path) -> Path:
    """Makes `path` and its missing parents with mode 0700; takes others' access away from a folder of ours.

    Raises UnusableError when it cannot be made or is no folder, ShellvaultError when it belongs to another user.
    """
    try:
        # os.makedirs gives its mode to the last folder only, so the parents are made one by one.
        for missing in reversed([parent for parent in path.parents if not parent.exists()]):
            missing.mkdir(mode=0o700, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
        if sys.platform != "win32":
            status = path.stat()
            if status.st_uid != os.getuid():
                raise ShellvaultError(
                    f"the folder {str(path)!r} belongs to uid {status.st_uid}: choose another"
                )
            if stat.S_IMODE(status.st_mode) & 0o077:
                path.chmod(0o700)
    except OSError as error:
        raise UnusableError(
            f"the folder {str(path)!r} cannot be used ({error.strerror}): make it writable"
        ) from error
    return path


def _base(environment: Mapping[str, str], variable: str, below_home: str, kind: str) -> Path:
    if sys.platform == "win32":
        import platformdirs

        directories = platformdirs.PlatformDirs("shellvault", appauthor=False)
        return Path(getattr(directories, f"user_{kind}_path"))
    given = Path(environment.get(variable, ""))
    return (given if given.is_absolute() else _home(environment) / below_home) / "shellvault"


def _home(environment: Mapping[str, str]) -> Path:
    home = Path(environment.get("HOME", ""))
    return home if home.is_absolute() else Path.home()


def _is_ours(directory: Path) -> bool:
    if sys.platform == "win32":
        return False
    try:
        return directory.stat().st_uid == os.getuid()
    except OSError:
        return False
