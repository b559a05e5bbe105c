"""Which backend is the vault: the one that the user names, else the first that can be used.

Light: nothing of `keyring` is imported before a backend is probed.
"""

import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from shellvault import locations
from shellvault.errors import ConfigError, ShellvaultError
from shellvault.vault.deadline import within

#: In the order in which they are probed.
BACKENDS = ("keychain", "wincred", "secret-service", "kwallet", "file")

#: How long one backend may take to say whether it can be used, in seconds.
PROBE_SECONDS = 2.0

FILE_NAME = "vault.shellvault"


@dataclass(frozen=True, slots=True)
class BackendStatus:
    """What `shellvault list --backends` says of one backend."""

    name: str
    usable: bool
    reason: str
    chosen: bool


def choose(backend: str | None, environment: Mapping[str, str]) -> str:
    """The backend to use: `backend` (the flag), else the one that is named or probed. Raises ConfigError."""
    named = _named(backend, environment)
    if named:
        return named[0]
    return next(name for name in BACKENDS if _check(name, environment)[0])


def probe(environment: Mapping[str, str]) -> list[BackendStatus]:
    """Every backend, which is used and why. Unlocks nothing. Raises ConfigError for a bad choice."""
    named = _named(None, environment)
    checks = {name: _check(name, environment) for name in BACKENDS}
    chosen = named[0] if named else next(name for name in BACKENDS if checks[name][0])
    source = f"named by {named[1]}; " if named else ""
    return [
        BackendStatus(name, usable, source + reason if name == chosen else reason, name == chosen)
        for name, (usable, reason) in checks.items()
    ]


def bus_address(environment: Mapping[str, str]) -> str | None:
    """The address of the D-Bus session bus; without the variable, where systemd keeps it."""
    address = environment.get("DBUS_SESSION_BUS_ADDRESS")
    if address:
        return address
    path = Path(environment.get("XDG_RUNTIME_DIR") or "/nonexistent", "bus")
    return f"unix:path={path}" if path.is_socket() else None


def can_ask(environment: Mapping[str, str]) -> bool:
    """Whether a keyring can show a dialog."""
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def file_path(environment: Mapping[str, str]) -> Path:
    """The encrypted file. Raises ShellvaultError."""
    return locations.data_directory(environment) / FILE_NAME


def _named(backend: str | None, environment: Mapping[str, str]) -> tuple[str, str] | None:
    """The backend that the user has named, and where."""
    variables = ("SHELLVAULT_BACKEND", "AWS_VAULT_BACKEND")
    for source, name in [
        ("--backend", backend),
        *((variable, environment.get(variable)) for variable in variables),
    ]:
        if name:
            return _known(name, source), source
    path = locations.config_file(environment)
    name = _settings(path).get("backend")
    return (_known(name, str(path)), str(path)) if name else None


def _known(name: str, source: str) -> str:
    if name not in BACKENDS:
        raise ConfigError(
            f"{source}: shellvault has no vault {name!r}: use one of {', '.join(sorted(BACKENDS))}"
        )
    return name


def _settings(path: Path) -> dict[str, str]:
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(f"{str(path)!r} cannot be read ({reason!r}): correct or remove it") from error
    for key, value in settings.items():
        if key != "backend":
            raise ConfigError(f"{str(path)!r} has an unknown key {key!r}: remove it (known: backend)")
        if not isinstance(value, str):
            raise ConfigError(f'{str(path)!r}: {key} must be text, as in {key} = "file"')
    return settings


def _check(name: str, environment: Mapping[str, str]) -> tuple[bool, str]:
    """Whether a backend can be used here, and why (or why not)."""
    try:
        return within(PROBE_SECONDS, lambda: _CHECKS[name](environment))
    except TimeoutError:
        return False, f"it has not answered within {PROBE_SECONDS:g} seconds"
    except ImportError as error:
        return False, f"the Python package {error.name} is not installed"
    except ShellvaultError as error:
        return False, str(error)
    except Exception as error:
        return False, ascii(" ".join(str(error).split()))[1:-1] or type(error).__name__


def _check_secret_service(environment: Mapping[str, str]) -> tuple[bool, str]:
    if sys.platform in ("darwin", "win32"):
        return False, "only on Linux and the BSDs"
    address = bus_address(environment)
    if address is None:
        return False, "there is no D-Bus session bus (DBUS_SESSION_BUS_ADDRESS is not set)"
    from shellvault.vault import secret_service

    return secret_service.availability(address, can_ask(environment))


def _check_kwallet(environment: Mapping[str, str]) -> tuple[bool, str]:
    if sys.platform in ("darwin", "win32"):
        return False, "only on Linux and the BSDs"
    if bus_address(environment) is None:
        return False, "there is no D-Bus session bus (DBUS_SESSION_BUS_ADDRESS is not set)"
    import_module("dbus")  # keyring leaves its absence for the first call
    from keyring.backends.kwallet import DBusKeyring

    return DBusKeyring.priority > 0, "it runs on the session bus"


def _check_keychain(environment: Mapping[str, str]) -> tuple[bool, str]:
    return sys.platform == "darwin", "the login keychain" if sys.platform == "darwin" else "only on macOS"


def _check_wincred(environment: Mapping[str, str]) -> tuple[bool, str]:
    return sys.platform == "win32", "the Credential Manager" if sys.platform == "win32" else "only on Windows"


def _check_file(environment: Mapping[str, str]) -> tuple[bool, str]:
    path = file_path(environment)
    return True, f"{path}" + ("" if path.exists() else " (will be made)")


_CHECKS: dict[str, Callable[[Mapping[str, str]], tuple[bool, str]]] = {
    "keychain": _check_keychain,
    "wincred": _check_wincred,
    "secret-service": _check_secret_service,
    "kwallet": _check_kwallet,
    "file": _check_file,
}
