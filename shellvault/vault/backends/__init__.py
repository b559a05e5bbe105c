"""Chooses the backend of the vault: the one that the user names, else the one in use, else the first available.

Cheap to import: `keyring` is imported only when a backend is probed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from shellvault import locations, settings, threads
from shellvault.deadline import within
from shellvault.errors import ConfigError, ShellvaultError
from shellvault.vault import bus_address
from shellvault.vault.backend import DISPLAYS, Backend, can_ask, is_of
from shellvault.vault.backends import file, keychain, keyctl, kwallet, password_store, secret_service, wincred
from shellvault.vault.backends.file import path as file_path
from shellvault.vault.probe_result import ProbeResult

__all__ = ["BACKENDS", "DISPLAYS", "RECORDS", "can_ask", "choose", "file_path", "probe", "session_backend"]

#: Every backend; the first available one is the default.
RECORDS: dict[str, Backend] = {
    record.name: record
    for record in (
        keychain.BACKEND,
        wincred.BACKEND,
        secret_service.BACKEND,
        kwallet.BACKEND,
        password_store.PASS,
        password_store.PASSAGE,
        file.BACKEND,
        keyctl.BACKEND,
    )
}

BACKENDS = tuple(RECORDS)

#: Backends that may be chosen by default.
_FOUND = tuple(name for name, record in RECORDS.items() if record.is_found)

#: Seconds for probing all backends in parallel: `list --backends` must end within two.
PROBE_SECONDS = 1.5

_VARIABLES = ("SHELLVAULT_BACKEND", "AWS_VAULT_BACKEND")

SESSION_VARIABLE = "SHELLVAULT_SESSION_BACKEND"

#: Where sessions are kept: only in the agent, in the vault of the keys, or in a named vault.
SESSION_BACKENDS = ("agent", "vault", *BACKENDS)


@dataclass(frozen=True, slots=True)
class BackendStatus:
    """The row of one backend in `shellvault list --backends`."""

    name: str
    usable: bool
    reason: str
    chosen: bool


class Choice(NamedTuple):
    """A backend, the source of the choice (None: probing), and whether the user made it."""

    backend: str
    source: str | None = None
    named: bool = False


def choose(backend: str | None, environment: Mapping[str, str]) -> Choice:
    """The backend to use: `backend` (the flag), else the one that is configured, in use, or available.

    Raises ConfigError for an unknown name or a bad setting, ShellvaultError.
    """
    return _chosen(backend, environment) or _first_there(_tried(_FOUND, environment))


def session_backend(environment: Mapping[str, str]) -> str | None:
    """Where sessions are kept (one of SESSION_BACKENDS): SHELLVAULT_SESSION_BACKEND, else the settings.

    None without either: those that needed a person go to the vault, the rest to the agent. Raises ConfigError.
    """
    own = settings.load(environment)
    for source, name in (
        (SESSION_VARIABLE, environment.get(SESSION_VARIABLE)),
        (f"{str(own.path)!r}: session_backend", own.session_backend),
    ):
        if name and name not in SESSION_BACKENDS:
            known = ", ".join(("agent", "vault", *sorted(BACKENDS)))
            raise ConfigError(f"{source} is {name!r}: use one of {known}")
        if name:
            return name
    return None


def probe(environment: Mapping[str, str]) -> list[BackendStatus]:
    """The status of every backend, with the chosen one and why. Unlocks nothing. Raises ConfigError."""
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
    """The file with the name of the default backend that holds keys.

    Without it, keys would seem gone when a keyring appears or goes: over ssh there is no session bus.
    """
    return locations.state_directory(environment) / "backend"


def modules(names: Iterable[str], environment: Mapping[str, str]) -> list[str]:
    """The modules that probing these backends imports; imported before threads start."""
    bus = bus_address.of_session(environment)
    records = [RECORDS[name] for name in names if foreign_to(name) is None]
    return [module for record in records if bus or not record.needs_bus for module in record.modules]


def foreign_to(backend: str) -> str | None:
    """The systems that a backend is limited to; None if this system has it."""
    system = RECORDS[backend].system
    return None if system is None or is_of(system) else system


def _chosen(backend: str | None, environment: Mapping[str, str]) -> Choice | None:
    for source, name in [("--backend", backend), *((name, environment.get(name)) for name in _VARIABLES)]:
        if name:
            return Choice(_known(name, source), source, named=True)
    own = settings.load(environment)
    if own.backend:
        return Choice(_known(own.backend, str(own.path)), str(own.path), named=True)
    used = _in_use(environment)
    return Choice(used, "the keys that it holds") if used else None


def _tried(names: Sequence[str], environment: Mapping[str, str]) -> dict[str, ProbeResult]:
    """Probes these backends in parallel."""
    found = threads.at_once(
        lambda name: _presence(name, environment), names, modules=modules(names, environment)
    )
    return dict(zip(names, found, strict=True))


def _first_there(found: Mapping[str, ProbeResult]) -> Choice:
    return Choice(next((name for name in _FOUND if found[name].there), "file"))


def _in_use(environment: Mapping[str, str]) -> str | None:
    try:
        name = backend_file(environment).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return None
    return name if name in BACKENDS else None


def _known(name: str, source: str) -> str:
    if name not in BACKENDS:
        raise ConfigError(f"{source}: unknown vault {name!r}: use one of {', '.join(sorted(BACKENDS))}")
    return name


def _reason(error: Exception) -> str:
    """An error in one line of ASCII."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return ascii(" ".join(text.split()))[1:-1] or type(error).__name__


def _presence(name: str, environment: Mapping[str, str]) -> ProbeResult:
    only = foreign_to(name)
    if only:
        return ProbeResult(False, False, f"only on {only}")
    try:
        return within(PROBE_SECONDS, lambda: RECORDS[name].probe(environment))
    except TimeoutError:
        return ProbeResult(True, False, f"it has not answered within {PROBE_SECONDS:g} seconds")
    except ImportError as error:
        return ProbeResult(False, False, f"the Python package {error.name} is not installed")
    except ShellvaultError as error:
        return ProbeResult(False, False, str(error))
    except Exception as error:
        return ProbeResult(False, False, _reason(error))
