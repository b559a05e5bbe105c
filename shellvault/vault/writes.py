"""Counts the writes of an encrypted file, in the file and in a separate note: a restored copy has a lower count."""

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

#: Service and name under which the file stores the count.
_SERVICE, _NAME = "shellvault/file", "writes"


class Writes:
    """The count of one encrypted file. The separate note is no secret and may be lost."""

    def __init__(self, noted: Path, path: Path) -> None:
        """`noted` is a file of this user on this machine: a JSON object, path to count."""
        self._noted = noted
        self._path = str(path)
        self._is_reported = False

    def noted(self) -> int:
        """The count in the separate note."""
        return self._all().get(self._path, 0)

    def is_older(self, entries: Mapping[str, Mapping[str, str]], noted: int) -> bool:
        """Whether the count in the content is lower than `noted`; true at most once."""
        if self._is_reported or _count(entries) >= noted:
            return False
        self._is_reported = True
        return True

    def counted(self, entries: dict[str, dict[str, str]]) -> int:
        """Adds one to the count in `entries` and returns it."""
        count = max(_count(entries), self.noted()) + 1
        entries[_SERVICE] = {_NAME: str(count)}
        return count

    def note(self, count: int) -> None:
        """Notes a write. The caller holds the file's lock. A note that cannot be written is skipped."""
        new = self._noted.with_name(f"{self._noted.name}.{os.getpid()}")
        with contextlib.suppress(OSError):
            # Not synced: a lost note does no harm.
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
