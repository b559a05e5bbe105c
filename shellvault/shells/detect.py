"""Which shell asks: the nearest ancestor process that is one."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING

from shellvault.errors import UsageError
from shellvault.shells import RECORDS, SHELLS

if TYPE_CHECKING:
    import psutil

#: The most processes that are read: wrappers (sh -c, make, uv run, …) nest, but not endlessly.
_MAX_ANCESTORS = 12

#: Shells of another language. They would misread text for a shell further up, so the search ends at them.
_FOREIGN = frozenset({"csh", "elvish", "nu", "tcsh", "xonsh"})

_NAMES = {program: record.name for record in RECORDS.values() for program in record.executables}

#: What a busybox or toybox is called with when it is a shell.
_APPLETS = frozenset({"ash", "hush", "sh"})

_ADVICE = "say it with --shell " + "|".join(SHELLS)


def detect(pid: int, environment: Mapping[str, str] = os.environ) -> str:
    """The name (one of `shells.SHELLS`) of the shell that process `pid` runs in or is: the one that evaluates.

    Login shells (`-zsh`), versioned names (`bash-5.2`) and a bash that runs as `sh` or runs a script are
    known; any other POSIX shell is `sh`. When no ancestor is a shell, the base name of `$SHELL` decides.

    Raises:
        UsageError: neither says which, or the nearest shell is one that shellvault does not speak.
    """
    for process in _lineage(pid):
        name = _name(process)
        if name in RECORDS:
            return name
        if name in _FOREIGN:
            raise UsageError(f"{name} is not a shell that shellvault speaks: {_ADVICE}")
    login_shell = name_of(environment.get("SHELL", ""))
    if login_shell in RECORDS:
        return login_shell
    raise UsageError(f"cannot tell which shell this is: {_ADVICE}")


def _lineage(pid: int) -> Iterator["psutil.Process"]:
    """Process `pid` and its ancestors, nearest first, as far as the system shows them."""
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
                name = name_of(seen)
                return _applet(process) if name in ("busybox", "toybox") else name
        except psutil.Error:
            continue
    return ""


def _applet(process: "psutil.Process") -> str:
    """What a busybox is: `busybox sh`, or a link called `sh`; "" for no shell."""
    words = [PurePath(word).name.removeprefix("-") for word in process.cmdline()[:2]]
    applet = words[1] if words[0] in ("busybox", "toybox") and len(words) > 1 else words[0]
    return "sh" if applet in _APPLETS else ""


def name_of(path: str) -> str:
    """The shell that a path names: `/bin/bash-5.2`, `-bash` and `bash.exe` are `bash`, `dash` and `ksh93` are `sh`."""
    name = PurePath(path.replace("\\", "/")).name.lower().removeprefix("-").removesuffix(".exe")
    name = re.sub(r"[-.]?\d[\d.]*$", "", name)
    return _NAMES.get(name, name)
