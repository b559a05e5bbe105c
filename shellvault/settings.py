"""shellvault's own settings: `config.toml` in its config folder (see `locations.config_file`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shellvault import locations
from shellvault.configuration import SETTINGS, TYPES, Key
from shellvault.display import PRODUCTION_VARIABLE
from shellvault.errors import ConfigError

#: What `lock_on` may have.
SIGNS = ("screen-lock", "suspend")

#: What `notice` may be: what else tells a person in time that one will be needed, besides the prompt's text.
NOTICES = ("none", "bell", "osc9", "osc777", "desktop")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the file says; None where it is silent."""

    path: Path
    backend: str | None = None
    """The vault, one of `vault.BACKENDS`."""
    session_backend: str | None = None
    """Where sessions are kept, one of `vault.backends.SESSION_BACKENDS`."""
    prompt: str | None = None
    """The prompt driver, one of `cli.prompters.DRIVERS`."""
    confirm: str | None = None
    """When a person has to confirm (see sessions.confirmation)."""
    unlock_ttl: str | None = None
    """How long an encrypted file stays unlocked (see sessions.unlocking)."""
    lock_on: tuple[str, ...] = ()
    """The signs of the desktop's at which the agent locks, of SIGNS."""
    insecure_endpoint: bool = False
    """Whether calls may go over plain HTTP to another machine."""
    browser: str | None = None
    """The command that opens links; `none` for none."""
    browsers: Mapping[str, str] = field(default_factory=dict)
    """The same for single sign-ins, by the name of the sso-session, the start URL or the login_session."""
    device_code: bool | None = None
    """Whether people sign in with a code, in a browser that may be on another machine."""
    export_token: bool = False
    """Whether sign-ins are kept in the AWS CLI's cache, in plain text, instead of the vault."""
    production: tuple[str, ...] | None = None
    """The patterns of the profiles that the prompt shows as production's; None: by a word in the name."""
    quiet: bool = False
    """Whether entering a session says nothing where no prompt shows it."""
    callers: Mapping[str, str] = field(default_factory=dict)
    """What each kind of caller gets (shellvault.callers)."""
    marks: Mapping[str, str] = field(default_factory=dict)
    """How sessions of coding agents are marked (shellvault.session_marks)."""
    coding_agents: tuple[str, ...] = ()
    """Programs and variables that mark a coding agent, besides the known ones."""
    secrets: tuple[str, ...] = ()
    """Actions that count as reading secrets, besides the known ones."""
    notice: str = "none"
    """How else than in the prompt a person hears, once, that one is needed soon; of NOTICES."""
    dialogs: bool = True
    """Whether the agent asks in a dialog too, where a person has a display."""
    history: bool = True
    """Whether what is handed out and refused is recorded (shellvault.history)."""
    given: frozenset[str] = frozenset()
    """The names of what the file sets."""
    unknown: tuple[str, ...] = ()
    """Keys that mean nothing here: mistyped, or of another version."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a person should know of `unknown`, a line each."""
        known = ", ".join(_KEYS)
        return tuple(
            f"{self.path}: {key} is no setting of this shellvault, and without effect (known: {known})"
            for key in self.unknown
        )

    @property
    def production_patterns(self) -> str | None:
        """`production` as the value of PRODUCTION_VARIABLE, which beats it."""
        return None if self.production is None else ",".join(self.production)


_KEYS: Mapping[str, Key] = {key.name: key for key in SETTINGS}


def load(environment: Mapping[str, str]) -> Settings:
    """The settings of this environment's user. Raises ConfigError for a file that cannot be read or understood."""
    path = locations.config_file(environment)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Settings(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{str(path)!r} cannot be read ({_reason(error)}): correct or remove it") from error
    import tomllib

    try:
        found = tomllib.loads(text)
    except ValueError as error:
        raise ConfigError(f"{str(path)!r} is not TOML ({_reason(error)}): correct or remove it") from error
    known = {key: _checked(path, key, value) for key, value in found.items() if key in _KEYS}
    unknown = tuple(key for key in found if key not in known)
    return Settings(path, **known, given=frozenset(known), unknown=unknown)


def production_patterns(environment: Mapping[str, str]) -> str | None:
    """What PRODUCTION_VARIABLE says, else the settings in its form; None without either. Raises ConfigError."""
    given = environment.get(PRODUCTION_VARIABLE)
    return load(environment).production_patterns if given is None else given


def exports_token(environment: Mapping[str, str]) -> bool:
    """Whether a sign-in is kept in the AWS CLI's cache: the variable, else the setting. Raises ConfigError."""
    variable = environment.get("SHELLVAULT_EXPORT_TOKEN")
    return variable != "0" if variable else load(environment).export_token


def _checked(path: Path, key: str, value: Any) -> Any:
    known = _KEYS[key]
    texts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    is_right = isinstance(value, TYPES[known.kind]) and all(isinstance(text, str) for text in texts)
    if is_right and key == "production":
        is_right = not any(character in pattern for pattern in value for character in ",\0")
    if key == "lock_on":
        is_right = is_right and set(value) <= set(SIGNS)
    if key == "notice":
        is_right = is_right and value in NOTICES
    if not is_right:
        raise ConfigError(f"{str(path)!r}: {key} must be {known.kind}, as in {known.example}")
    return tuple(value) if isinstance(value, list) else value


def _reason(error: Exception) -> str:
    """An error in one line of ASCII."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return ascii(" ".join(text.split()))[1:-1] or type(error).__name__
