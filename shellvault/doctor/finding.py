"""One thing that a check has found."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

#: How bad it is: `danger` exposes keys, `trouble` keeps something from working, `advice` can wait.
Severity = Literal["danger", "trouble", "advice"]
SEVERITIES: tuple[Severity, ...] = ("danger", "trouble", "advice")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to mend: where, what is wrong, and what to do about it."""

    check: str
    """The check that found it, for a program."""
    severity: Severity
    where: str
    """`FILE:LINE`, a profile, or a part of shellvault."""
    what: str
    fix: str
    """A command to run, or what to do in words."""
    mend: Callable[[], str] | None = field(default=None, repr=False, compare=False)
    """Does the fix, where that is safe; returns what was done. Raises OSError and ShellvaultError."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a doctor looks: the environment of the command, and the folder that it runs in."""

    environment: Mapping[str, str] = field(repr=False)
    directory: Path
    config_path: Path

    @property
    def home(self) -> Path:
        """The home folder."""
        return Path(self.environment.get("HOME") or Path.home())
