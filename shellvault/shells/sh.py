"""Any POSIX shell: `#!/bin/sh` scripts, make, cron, `os.system`. It has no hook."""

from shellvault.shells import posix
from shellvault.shells.model import Shell

SHELL = Shell(
    name="sh",
    executables=("sh", "ash", "dash", "ksh", "mksh", "oksh", "osh", "posh", "yash"),
    quote=posix.quote,
    evaluated=posix.EVALUATED,
    exported=posix.EXPORTED,
    unset=posix.UNSET,
)
