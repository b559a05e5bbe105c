"""What one sign-in works with, and whether the person's browser is on this machine."""

import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from shellvault import settings
from shellvault.display import printable
from shellvault.errors import NeedsPersonError
from shellvault.sessions.context import Context
from shellvault.sessions.model import Prompter

if TYPE_CHECKING:
    from shellvault.vault.sign_ins import SignIns

#: Seconds that a person has to sign in. A device code lives as long.
PATIENCE = 600.0

#: Marks of a machine whose user is at another one: containers, and editors and shells in a browser.
_CONTAINER_FILES = ("/.dockerenv", "/run/.containerenv")
_ELSEWHERE = (
    "CODESPACES",
    "REMOTE_CONTAINERS",
    "CLOUDSHELL_ENVIRONMENT",
    "AWS_EXECUTION_ENV",
    "GITPOD_WORKSPACE_ID",
)
_SSH = ("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY")
_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")


@dataclass(frozen=True, slots=True)
class SignInAttempt:
    """The vault's sign-ins, the prompter, the context and the lock of one sign-in."""

    store: "SignIns"
    prompter: Prompter
    context: Context
    lock: Callable[[], AbstractContextManager[None]]
    """Held while a token is renewed or a person signs in: a process that waited for it finds the result."""

    profile: str
    """The profile or sso-session, for messages."""

    def after_sign_in(self) -> "SignInAttempt":
        """The same without `fresh`, for what follows a new sign-in."""
        return replace(self, context=replace(self.context, fresh=False))

    def unanswered(self, subject: str) -> Path:
        """The mark of a browser tab that was left unanswered: no further tab opens unless a person asks."""
        digest = hashlib.sha256(subject.encode()).hexdigest()[:32]
        return self.context.state_directory / f"sign-in-{digest}.unanswered"

    def require_person(self, problem: str) -> None:
        """Raises NeedsPersonError where no person may be asked; called before anything starts."""
        if self.context.quiet:
            raise self.needs_person(problem)

    def needs_person(self, problem: str) -> NeedsPersonError:
        """The error for a problem that only a person can solve."""
        return NeedsPersonError(f"{problem}: run `shellvault signin {printable(self.profile)}`")

    @property
    def aws_directory(self) -> Path:
        """`~/.aws` of the caller."""
        home = self.context.environment.get("HOME")
        return (Path(home) if home else Path.home()) / ".aws"


def is_elsewhere(environment: Mapping[str, str]) -> bool:
    """Whether the person's browser is probably on another machine than this process.

    SHELLVAULT_DEVICE_CODE (`1` yes, `0` no), else the setting `device_code`, beats what the environment shows.
    """
    variable = environment.get("SHELLVAULT_DEVICE_CODE")
    if variable:
        return variable != "0"
    if (configured := settings.load(environment).device_code) is not None:
        return configured
    has_display = any(environment.get(name) for name in _DISPLAYS)
    if os.name == "nt" or environment.get("WSL_DISTRO_NAME"):
        return False
    if any(environment.get(name) for name in _SSH):
        return not has_display
    if any(environment.get(name) for name in _ELSEWHERE) or any(map(os.path.exists, _CONTAINER_FILES)):
        return True
    return os.uname().sysname != "Darwin" and not has_display and not environment.get("BROWSER")
