"""One problem that a check has found."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

#: Severity: `danger` exposes keys, `trouble` stops something from working, `advice` can wait.
Severity = Literal["danger", "trouble", "advice"]
SEVERITIES: tuple[Severity, ...] = ("danger", "trouble", "advice")


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem: the place, what is wrong, and what to do."""

    check: str
    """The id of the check, for programs."""
    severity: Severity
    where: str
    """`FILE:LINE`, a profile, or a part of shellvault."""
    what: str
    fix: str
    """A command to run, or what to do in words."""
    mend: Callable[[], str] | None = field(default=None, repr=False, compare=False)
    """Applies the fix, if that is safe, and returns what was done. Raises OSError and ShellvaultError."""


@dataclass(frozen=True, slots=True)
class Place:
    """The environment and the folder to check."""

    environment: Mapping[str, str] = field(repr=False)
    directory: Path
    config_path: Path

    @property
    def home(self) -> Path:
        """The home folder."""
        return Path(self.environment.get("HOME") or Path.home())
