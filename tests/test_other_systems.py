"""What cannot run here is at least imported: all but the warm path and the agent, without what only POSIX has."""

import subprocess
import sys

#: https://docs.python.org/3/library/unix.html, and those of them that the standard library itself does without.
ONLY_POSIX = ("fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty")

IMPORT_ALL = f"""
import importlib, pkgutil, sys
sys.modules.update(dict.fromkeys({ONLY_POSIX}))
import shellvault
names = [module.name for module in pkgutil.walk_packages(shellvault.__path__, "shellvault.")]
# Windows has neither the warm path, but for the line that says what is asked for, nor the agent.
absent = ("shellvault.fastlane.", "shellvault.agent.")
for name in names:
    if not name.startswith(absent) or name == "shellvault.fastlane.request":
        importlib.import_module(name)
print(len(names))
"""


def test_every_module_can_be_imported_without_posix() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT_ALL], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 50
