"""How often an encrypted file was written, kept in it and beside it: one that is put back is behind."""

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

#: Where the count lies among the passwords of the file.
_SERVICE, _NAME = "shellvault/file", "writes"


class Writes:
    """The count of one encrypted file. What is noted beside it is no secret and may be lost."""

    def __init__(self, noted: Path, path: Path) -> None:
        """`noted` is a file of this person on this machine: a JSON object, path to count."""
        self._noted = noted
        self._path = str(path)
        self._is_told = False

    def noted(self) -> int:
        """How often the file was written, as it was noted beside it."""
        return self._all().get(self._path, 0)

    def is_older(self, entries: Mapping[str, Mapping[str, str]], noted: int) -> bool:
        """Whether the file had been written more often than its content says (`noted`); true at most once."""
        if self._is_told or _count(entries) >= noted:
            return False
        self._is_told = True
        return True

    def counted(self, entries: dict[str, dict[str, str]]) -> int:
        """Counts one more write into `entries`, and returns the count."""
        count = max(_count(entries), self.noted()) + 1
        entries[_SERVICE] = {_NAME: str(count)}
        return count

    def note(self, count: int) -> None:
        """Notes a write that was done. The caller holds the file's lock. A note that cannot be written is left out."""
        new = self._noted.with_name(f"{self._noted.name}.{os.getpid()}")
        with contextlib.suppress(OSError):
            # Not synced: it is there to be compared, not to be kept at any price.
            descriptor = os.open(
                new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0), 0o600
            )
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                json.dump(self._all() | {self._path: count}, stream)
            new.replace(self._noted)

    def _all(self) -> dict[str, int]:
        try:
            found = json.loads(self._noted.read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(found, dict):
            return {}
        return {path: count for path, count in found.items() if type(count) is int}


def _count(entries: Mapping[str, Mapping[str, str]]) -> int:
    text = entries.get(_SERVICE, {}).get(_NAME, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
