"""Long-term keys that lie in plaintext: in AWS's files, shell histories, `.env` files, and the environment."""

import re
from collections.abc import Iterator
from pathlib import Path

from shellvault.doctor.finding import Finding, Place
from shellvault.importing import plaintext
from shellvault.profiles.edit import BACKUP_SUFFIX
from shellvault.profiles.parse import place as at
from shellvault.profiles.parse import printable

#: Most bytes of a history or a `.env` file that are looked through, from its end.
MOST_BYTES = 16 * 1024 * 1024

#: A secret key in an assignment of any shell or file format; what is only a reference (`$X`, `op://…`) is none.
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
    """Finds plaintext keys; what is found is named by file and line, never shown."""
    yield from _aws_files(place)
    histfile = place.environment.get("HISTFILE")
    for path in dict.fromkeys(
        [*(place.home / name for name in _HISTORIES), *([Path(histfile)] if histfile else [])]
    ):
        for line in _lines_with_secrets(path):
            yield Finding(
                "plaintext-keys",
                "danger",
                at(path, line),
                "a secret key was typed on a command line and is kept in the history",
                "rotate that key (shellvault rotate NAME), then delete the line",
            )
    for path in sorted(place.directory.glob(".env*")):
        for line in _lines_with_secrets(path):
            yield Finding(
                "plaintext-keys",
                "danger",
                at(path, line),
                "a secret key stands in plaintext",
                "shellvault add NAME, delete the line, and use shellvault exec NAME -- COMMAND",
            )
    if list(plaintext.in_environment(place.environment, "default")):
        yield Finding(
            "plaintext-keys",
            "danger",
            "AWS_SECRET_ACCESS_KEY in the environment",
            "long-term keys are in this shell, and in every program that it starts",
            "shellvault import env, then unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY",
        )


def _aws_files(place: Place) -> Iterator[Finding]:
    credentials = plaintext.credentials_path(place.environment)
    beside = place.config_path.with_name(place.config_path.name + BACKUP_SUFFIX)
    for path, is_config in ((credentials, False), (place.config_path, True), (beside, True)):
        for found in plaintext.in_file(path, is_config=is_config):
            yield Finding(
                "plaintext-keys",
                "danger",
                found.where,
                f"the keys of {printable(found.name)} stand in plaintext",
                "shellvault import",
            )


def _lines_with_secrets(path: Path) -> Iterator[int]:
    """The numbers of the lines of a file that hold a secret key."""
    try:
        if not path.is_file() or path.stat().st_size > MOST_BYTES:
            return
        data = path.read_bytes()
    except OSError:
        return
    for number, line in enumerate(data.split(b"\n"), 1):
        if _SECRET.search(line):
            yield number
