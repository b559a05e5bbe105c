"""Which shell asks: the nearest ancestor process that is one."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING

from shellvault.errors import UsageError
from shellvault.shells import SHELLS

if TYPE_CHECKING:
    import psutil

#: How many processes are looked at: wrappers (sh -c, make, uv run, …) nest, but not endlessly.
_MAX_ANCESTORS = 12

#: Shells of another language. They would misread text meant for a shell further up, so they end the search;
#: plain `sh` (dash, busybox) does not, because it is what wrappers run.
_FOREIGN = frozenset({"csh", "elvish", "ksh", "mksh", "nu", "oksh", "osh", "tcsh", "yash"})

_ALIASES = {"pwsh": "powershell", "pwsh-preview": "powershell"}

_ADVICE = "say it with --shell " + "|".join(SHELLS)


def detect(pid: int, environment: Mapping[str, str] = os.environ) -> str:
    """The name (one of `shells.SHELLS`) of the shell that process `pid` runs in or is.

    Login shells (`-zsh`), versioned names (`bash-5.2`) and a bash that runs as `sh` or runs a script are
    known. When no ancestor is one of ours, the base name of `$SHELL` decides.

    Raises:
        UsageError: neither says which, or the nearest shell is one that shellvault does not speak.
    """
    for process in _lineage(pid):
        name = _name(process)
        if name in SHELLS:
            return name
        if name in _FOREIGN:
            raise UsageError(f"{name} is not a shell that shellvault speaks: {_ADVICE}")
    login_shell = name_of(environment.get("SHELL", ""))
    if login_shell in SHELLS:
        return login_shell
    raise UsageError(f"cannot tell which shell this is: {_ADVICE}")


def _lineage(pid: int) -> Iterator["psutil.Process"]:
    """Process `pid` and its ancestors, nearest first, as far as they can be seen."""
    import psutil

    try:
        process: psutil.Process | None = psutil.Process(pid)
        for _ in range(_MAX_ANCESTORS):
            if process is None:
                return
            yield process
            process = process.parent()
    except psutil.Error:
        return


def _name(process: "psutil.Process") -> str:
    """The name of a process's executable, or its title where that may not be seen (another user's process).

    The title alone would mislead: it is the script's name for a script with a `#!` line, and a busybox may
    call itself anything.
    """
    import psutil

    for read in (process.exe, process.name):
        try:
            if seen := read():
                return name_of(seen)
        except psutil.Error:
            continue
    return ""


def name_of(path: str) -> str:
    """The shell that a path names: `/usr/bin/bash-5.2`, `-bash` and `bash.exe` are all `bash`; `ksh93` is `ksh`."""
    name = PurePath(path.replace("\\", "/")).name.lower().removeprefix("-").removesuffix(".exe")
    name = re.sub(r"[-.]?\d[\d.]*$", "", name)
    return _ALIASES.get(name, name)
