"""bash, 3.2 and later."""

from collections.abc import Mapping
from pathlib import Path

from shellvault import files
from shellvault.shells import model, posix
from shellvault.shells.model import SetUp, Shell


def _start_up_file(environment: Mapping[str, str]) -> Path:
    # bash(1), INVOCATION.
    return model.home(environment) / ".bashrc"


def _opened(
    path: str, text: str, folder: Path, environment: Mapping[str, str]
) -> tuple[list[str], dict[str, str]]:
    # A bash of macOS (3.2) takes no --rcfile from a pipe.
    file = folder / "bashrc"
    files.replace(file, text.encode("utf-8", "surrogateescape"), 0o600)
    return [path, "--rcfile", str(file)], {}


SHELL = Shell(
    name="bash",
    executables=("bash",),
    quote=posix.quote,
    evaluated=posix.EVALUATED,
    exported=posix.EXPORTED,
    unset=posix.UNSET,
    set_up=SetUp(_start_up_file, 'eval "$(shellvault init bash{})"', _opened),
)
