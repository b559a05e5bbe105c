"""zsh, 5.8 and later."""

from collections.abc import Mapping
from pathlib import Path

from shellvault import files
from shellvault.shells import model, posix
from shellvault.shells.model import SetUp, Shell


def quote(value: str) -> str:
    """As POSIX; several lines in `$'…'`, since CSH_JUNKIE_QUOTES forbids newlines in quotes (zshoptions(1))."""
    if "\n" not in value:
        return posix.quote(value)
    return "$'" + value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


def _start_up_file(environment: Mapping[str, str]) -> Path:
    # zsh(1), STARTUP/SHUTDOWN FILES.
    return Path(environment.get("ZDOTDIR") or model.home(environment)) / ".zshrc"


def _opened(
    path: str, text: str, folder: Path, environment: Mapping[str, str]
) -> tuple[list[str], dict[str, str]]:
    files.replace(folder / ".zshenv", text.encode("utf-8", "surrogateescape"), 0o600)
    theirs = environment.get("ZDOTDIR")
    return [path], {"ZDOTDIR": str(folder), **({} if theirs is None else {"SHELLVAULT_ZDOTDIR": theirs})}


SHELL = Shell(
    name="zsh",
    executables=("zsh",),
    quote=quote,
    evaluated=posix.EVALUATED,
    exported=posix.EXPORTED,
    unset=posix.UNSET,
    set_up=SetUp(_start_up_file, 'eval "$(shellvault init zsh{})"', _opened),
)
