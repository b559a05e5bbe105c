"""What cannot run here is at least imported: everything but the warm path, without the modules that only POSIX has."""

import subprocess
import sys

#: https://docs.python.org/3/library/unix.html, and those of them that the standard library itself does without.
ONLY_POSIX = ("fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty")

IMPORT_ALL = f"""
import importlib, pkgutil, sys
sys.modules.update(dict.fromkeys({ONLY_POSIX}))
import shellvault
names = [module.name for module in pkgutil.walk_packages(shellvault.__path__, "shellvault.")]
# The door does not open these without the builtin `posix`.
for name in names:
    if not name.startswith("shellvault.fastlane.") or name == "shellvault.fastlane.request":
        importlib.import_module(name)
print(len(names))
"""


def test_every_module_can_be_imported_without_posix() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT_ALL], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 50
