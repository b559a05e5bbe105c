"""Which backend is the vault: the one that the user names, else the one in use, else the first that is there.

Light: nothing of `keyring` is imported before a backend is probed.
"""

import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from shellvault import locations, settings, threads
from shellvault.errors import ConfigError, ShellvaultError
from shellvault.variables import setting_of
from shellvault.vault import bus_address
from shellvault.vault.deadline import within
from shellvault.vault.presence import Presence

#: In the order in which the first that is there is chosen. An encrypted file can always be had.
BACKENDS = ("keychain", "wincred", "secret-service", "kwallet", "pass", "passage", "file", "keyctl")

#: Those that are chosen without being named: what the kernel holds is gone at a restart.
_FOUND = tuple(name for name in BACKENDS if name != "keyctl")

#: Seconds in which all backends, asked at once, must say whether they can be used: `list --backends` ends within two.
PROBE_SECONDS = 1.5

#: Where a keyring shows a dialog.
DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")

FILE_NAME = "vault.shellvault"

_VARIABLES = ("SHELLVAULT_BACKEND", "AWS_VAULT_BACKEND")

SESSION_VARIABLE = "SHELLVAULT_SESSION_BACKEND"

#: The module of a backend that is more than a program or a file, and the backends that need a session bus.
_MODULES = {
    "secret-service": "shellvault.vault.secret_service",
    "kwallet": "shellvault.vault.kwallet",
    "keyctl": "shellvault.vault.kernel_keyring",
}
_DESKTOP = ("secret-service", "kwallet")

#: Where sessions are kept: in no vault, in that of the keys, or in one that is named.
SESSION_BACKENDS = ("agent", "vault", *BACKENDS)


@dataclass(frozen=True, slots=True)
class BackendStatus:
    """What `shellvault list --backends` says of one backend."""

    name: str
    usable: bool
    reason: str
    chosen: bool


class Choice(NamedTuple):
    """A backend, what chose it, and whether that was the user; without a source it was found by probing."""

    backend: str
    source: str | None = None
    named: bool = False


def choose(backend: str | None, environment: Mapping[str, str]) -> Choice:
    """The backend to use: `backend` (the flag), else the one that is named, in use or there.

    Raises ConfigError for a name or a setting that is none, ShellvaultError.
    """
    return _chosen(backend, environment) or _first_there(_tried(_FOUND, environment))


def session_backend(environment: Mapping[str, str]) -> str | None:
    """Where sessions are kept, one of SESSION_BACKENDS, by SHELLVAULT_SESSION_BACKEND, else the settings.

    None where neither says: what cost a person something in the vault, the rest in the agent. Raises ConfigError.
    """
    own = settings.load(environment)
    for source, name in (
        (SESSION_VARIABLE, environment.get(SESSION_VARIABLE)),
        (f"{str(own.path)!r}: session_backend", own.session_backend),
    ):
        if name and name not in SESSION_BACKENDS:
            known = ", ".join(("agent", "vault", *sorted(BACKENDS)))
            raise ConfigError(f"{source} is {name!r}: sessions are kept in one of {known}")
        if name:
            return name
    return None


def probe(environment: Mapping[str, str]) -> list[BackendStatus]:
    """Every backend, which is used and why. Unlocks nothing. Raises ConfigError for a bad choice."""
    found = _tried(BACKENDS, environment)
    choice = _chosen(None, environment) or _first_there(found)
    source = f"chosen by {choice.source}; " if choice.source else ""
    return [
        BackendStatus(
            name, usable, source + reason if name == choice.backend else reason, name == choice.backend
        )
        for name, (_, usable, reason) in found.items()
    ]


def backend_file(environment: Mapping[str, str]) -> Path:
    """Names the backend in which keys were stored when nobody had named one.

    Without it, keys would seem gone as soon as a keyring appears or goes: over ssh there is no session bus.
    """
    return locations.state_directory(environment) / "backend"


def collection_name(environment: Mapping[str, str]) -> str | None:
    """The collection of the Secret Service to use; None for its default one."""
    return setting_of("SECRET_SERVICE_COLLECTION_NAME", environment)


def can_ask(environment: Mapping[str, str]) -> bool:
    """Whether a keyring can show a dialog."""
    if sys.platform in ("darwin", "win32"):
        return True
    return any(environment.get(name) for name in DISPLAYS)


def file_path(environment: Mapping[str, str]) -> Path:
    """The encrypted file. Raises ShellvaultError."""
    return locations.data_directory(environment) / FILE_NAME


def password_store(program: str, environment: Mapping[str, str]) -> Path:
    """The password store of `pass` (pass(1), PASSWORD_STORE_DIR) or `passage` (PASSAGE_DIR)."""
    home = Path(environment.get("HOME") or Path.home())
    given = setting_of("PASS_PASSWORD_STORE_DIR", environment)
    if program == "pass":
        return Path(given or environment.get("PASSWORD_STORE_DIR") or home / ".password-store")
    return Path(given or environment.get("PASSAGE_DIR") or home / ".passage" / "store")


def password_command(program: str, environment: Mapping[str, str]) -> str:
    """The program that is run for `pass` or `passage`: one with the same commands, such as gopass, may be named."""
    return setting_of("PASS_CMD", environment) or program


def modules(names: Iterable[str], environment: Mapping[str, str]) -> list[str]:
    """The modules that are needed to ask these backends: for threads that do."""
    bus = bus_address.of_session(environment)
    here = [name for name in names if foreign_to(name) is None and (bus or name not in _DESKTOP)]
    return [_MODULES[name] for name in here if name in _MODULES]


def foreign_to(backend: str) -> str | None:
    """On which systems alone a backend exists, when this is none of them."""
    if backend in ("pass", "passage", "file"):
        return None
    if backend == "keyctl":
        return None if sys.platform == "linux" else "Linux"
    only = {"keychain": "macOS", "wincred": "Windows"}.get(backend, "Linux and the BSDs")
    here = {"darwin": "macOS", "win32": "Windows"}.get(sys.platform, "Linux and the BSDs")
    return None if only == here else only


def _chosen(backend: str | None, environment: Mapping[str, str]) -> Choice | None:
    for source, name in [("--backend", backend), *((name, environment.get(name)) for name in _VARIABLES)]:
        if name:
            return Choice(_known(name, source), source, named=True)
    own = settings.load(environment)
    if own.backend:
        return Choice(_known(own.backend, str(own.path)), str(own.path), named=True)
    used = _in_use(environment)
    return Choice(used, "the keys that it holds") if used else None


def _tried(names: Sequence[str], environment: Mapping[str, str]) -> dict[str, Presence]:
    """What these backends say, all asked at once."""
    found = threads.at_once(
        lambda name: _presence(name, environment), names, modules=modules(names, environment)
    )
    return dict(zip(names, found, strict=True))


def _first_there(found: Mapping[str, Presence]) -> Choice:
    return Choice(next((name for name in _FOUND if found[name].there), "file"))


def _in_use(environment: Mapping[str, str]) -> str | None:
    try:
        name = backend_file(environment).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return None
    return name if name in BACKENDS else None


def _known(name: str, source: str) -> str:
    if name not in BACKENDS:
        raise ConfigError(
            f"{source}: shellvault has no vault {name!r}: use one of {', '.join(sorted(BACKENDS))}"
        )
    return name


def _reason(error: Exception) -> str:
    """An error in one line of ASCII."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return ascii(" ".join(text.split()))[1:-1] or type(error).__name__


def _presence(name: str, environment: Mapping[str, str]) -> Presence:
    only = foreign_to(name)
    if only:
        return Presence(False, False, f"only on {only}")
    try:
        return within(PROBE_SECONDS, lambda: _PROBES[name](environment))
    except TimeoutError:
        return Presence(True, False, f"it has not answered within {PROBE_SECONDS:g} seconds")
    except ImportError as error:
        return Presence(False, False, f"the Python package {error.name} is not installed")
    except ShellvaultError as error:
        return Presence(False, False, str(error))
    except Exception as error:
        return Presence(False, False, _reason(error))


def _probe_secret_service(environment: Mapping[str, str]) -> Presence:
    address = bus_address.of_session(environment)
    if address is None:
        return Presence(False, False, "there is no D-Bus session bus (DBUS_SESSION_BUS_ADDRESS is not set)")
    from shellvault.vault import secret_service

    return secret_service.presence(address, can_ask(environment), collection_name(environment))


def _probe_kwallet(environment: Mapping[str, str]) -> Presence:
    address = bus_address.of_session(environment)
    if address is None:
        return Presence(False, False, "there is no D-Bus session bus (DBUS_SESSION_BUS_ADDRESS is not set)")
    from shellvault.vault import kwallet

    return kwallet.presence(address, can_ask(environment))


def _probe_native(_: Mapping[str, str]) -> Presence:
    return Presence(True, True, "part of the system")


def _probe_file(environment: Mapping[str, str]) -> Presence:
    path = file_path(environment)
    return Presence(True, True, f"{path}" if path.exists() else f"{path} (will be made)")


def _probe_password_store(program: str, environment: Mapping[str, str]) -> Presence:
    """Whether the program is installed and its store was set up. Decrypts nothing."""
    command = password_command(program, environment)
    if shutil.which(command, path=environment.get("PATH")) is None:
        return Presence(False, False, f"{command} is not installed")
    store = password_store(program, environment)
    marks = {
        "pass": (store / ".gpg-id",),
        "passage": (store / ".age-recipients", store.parent / "identities"),
    }
    if not any(mark.is_file() for mark in marks[program]):
        return Presence(False, False, f"there is no password store in {store}: {program} init makes one")
    return Presence(True, True, f"its store is {store}")


def _probe_kernel(_: Mapping[str, str]) -> Presence:
    from shellvault.vault import kernel_keyring

    return kernel_keyring.presence()


_PROBES: dict[str, Callable[[Mapping[str, str]], Presence]] = {
    "keychain": _probe_native,
    "wincred": _probe_native,
    "secret-service": _probe_secret_service,
    "kwallet": _probe_kwallet,
    "pass": partial(_probe_password_store, "pass"),
    "passage": partial(_probe_password_store, "passage"),
    "file": _probe_file,
    "keyctl": _probe_kernel,
}
