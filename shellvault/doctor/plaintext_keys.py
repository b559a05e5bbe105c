"""Long-term keys in plaintext: in AWS's files, shell histories, `.env` files, and the environment."""

import re
from collections.abc import Iterator
from pathlib import Path

from shellvault.display import printable
from shellvault.doctor.finding import Finding, Place
from shellvault.importing import plaintext
from shellvault.profiles.edit import BACKUP_SUFFIX
from shellvault.profiles.parse import place as at

#: Most bytes of a history or a `.env` file that are searched, from its end.
MOST_BYTES = 16 * 1024 * 1024

#: Most names in the finding of one file.
MOST_NAMES = 3

#: A secret key in an assignment of any shell or file format. A reference (`$X`, `op://…`) is no secret.
_SECRET = re.compile(
    rb"aws_?secret_?(?:access_?)?key[\"']?\s*(?:[=:]|\s|,)\s*[\"']?[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])",
    re.IGNORECASE,
)

_HISTORIES = (
    ".bash_history",
    ".zsh_history",
    ".zhistory",
    ".local/share/fish/fish_history",
    ".local/share/powershell/PSReadLine/ConsoleHost_history.txt",
    ".python_history",
)


def check(place: Place) -> Iterator[Finding]:
    """Finds plaintext keys; names the file and the line, never shows the key."""
    yield from _aws_files(place)
    histfile = place.environment.get("HISTFILE")
    for path in dict.fromkeys(
        [*(place.home / name for name in _HISTORIES), *([Path(histfile)] if histfile else [])]
    ):
        for line, more in _lines_with_secrets(path):
            yield Finding(
                "plaintext-keys",
                "danger",
                at(path, line),
                f"a secret key{more} was typed on a command line and is kept in the history",
                "rotate that key (`shellvault rotate NAME`), then delete the line",
            )
    for path in sorted(place.directory.glob(".env*")):
        for line, more in _lines_with_secrets(path):
            yield Finding(
                "plaintext-keys",
                "danger",
                at(path, line),
                f"a secret key{more} is in plaintext",
                "`shellvault add NAME`, delete the line, and use `shellvault exec NAME -- COMMAND`",
            )
    if list(plaintext.in_environment(place.environment, "default")):
        yield Finding(
            "plaintext-keys",
            "danger",
            "AWS_SECRET_ACCESS_KEY in the environment",
            "long-term keys are in this shell, and in every program that it starts",
            "`shellvault import env`, then `unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY`",
        )


def _aws_files(place: Place) -> Iterator[Finding]:
    credentials = plaintext.credentials_path(place.environment)
    backup = place.config_path.with_name(place.config_path.name + BACKUP_SUFFIX)
    for path, is_config in ((credentials, False), (place.config_path, True), (backup, True)):
        found = list(plaintext.in_file(path, is_config=is_config))
        if found:
            names = ", ".join(printable(each.name) for each in found[:MOST_NAMES])
            more = f" and {len(found) - MOST_NAMES} more" if len(found) > MOST_NAMES else ""
            yield Finding(
                "plaintext-keys",
                "danger",
                found[0].where,
                f"the keys of {names}{more} are in plaintext",
                "`shellvault import`",
            )


def _lines_with_secrets(path: Path) -> Iterator[tuple[int, str]]:
    """The first line of a file with a secret key, and the number of further ones in words; empty without one."""
    try:
        if not path.is_file() or path.stat().st_size > MOST_BYTES:
            return
        data = path.read_bytes()
    except OSError:
        return
    lines = [number for number, line in enumerate(data.split(b"\n"), 1) if _SECRET.search(line)]
    if lines:
        yield (
            lines[0],
            f" (and in {len(lines) - 1} more line{'s' * (len(lines) > 2)})" if len(lines) > 1 else "",
        )
