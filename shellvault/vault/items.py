"""JSON documents in a keyring: every call has a deadline, every error is one line, long documents are split."""

import contextvars
import json
import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from shellvault import threads, waiting
from shellvault.deadline import within
from shellvault.errors import ShellvaultError, VaultError
from shellvault.vault.backend import SERVICE
from shellvault.vault.backends import RECORDS

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

#: Seconds after which a person should look for a dialog.
_DIALOG_SECONDS = 2.0

_SPLIT = "split:"
_PART = re.compile(r"#[0-9a-f]{8}\.[0-9]+\Z")

Result = TypeVar("Result")


class Items:
    """The documents of one keyring backend, by key."""

    def __init__(
        self,
        backend: str,
        keyring: "KeyringBackend",
        seconds: float | None,
        setting: str = "--backend",
        *,
        has_dialog: bool = False,
    ) -> None:
        """`seconds` is the deadline of each call (None: the backend has its own). `has_dialog`: it may show a dialog.

        `setting` is the option or setting that chooses another backend.
        """
        self._record = RECORDS[backend]
        self._has_dialog = has_dialog
        self._setting = setting
        self.backend = backend
        self._keyring = keyring
        self._seconds = seconds
        self._refusal: VaultError | None = None
        """The timeout of a silent keyring, or a dismissed dialog; later calls raise it at once."""
        self._most_characters = self._record.most_characters

    def unlock(self) -> None:
        """Unlocks the keyring, which may ask a person. Raises VaultError."""
        self._get("any")

    def read(self, key: str) -> Any:
        """The document, None when there is none. Raises ValueError when it is damaged, VaultError."""
        for _ in range(2):
            text = self._get(key)
            if text is None or not text.startswith(_SPLIT):
                return None if text is None else _parsed(text)
            parts = [self._get(part) for part in _part_keys(key, text)]
            if None not in parts:
                return _parsed("".join(part for part in parts if part is not None))
            # Replaced while it was read: a second read finds the new parts.
        raise ValueError("a part is missing")

    def write(self, key: str, document: Any) -> None:
        """Stores a document. An interruption leaves the old one or the new one. Raises VaultError."""
        text = json.dumps(document, separators=(",", ":"))
        if self._most_characters is None:
            self._set(key, text)
            return
        old = self._get(key) or ""
        if len(text) > self._most_characters:
            text = self._write_parts(key, text, self._most_characters)
        self._set(key, text)
        self._delete_parts(key, old)

    def remove(self, key: str) -> bool:
        """Removes a document. Returns whether it was there. Raises VaultError."""
        text = self._get(key)
        if text is None:
            return False
        # The head goes last: it lists the parts, so an interrupted removal can be finished.
        self._delete_parts(key, text)
        self._delete(key)
        return True

    def keys(self) -> list[str] | None:
        """The keys of all items, parts included; None if the backend cannot list. Raises VaultError."""
        names: Callable[[str], list[str]] | None = getattr(self._keyring, "names", None)
        return None if names is None else self._call(lambda: names(SERVICE))

    def is_part(self, key: str) -> bool:
        """Whether the key is that of a part of a document."""
        return _PART.search(key) is not None

    def parts_of(self, key: str) -> list[str]:
        """The keys of a document's present parts. Raises VaultError."""
        text = self._get(key)
        try:
            return _part_keys(key, text) if text is not None and text.startswith(_SPLIT) else []
        except ValueError:
            return []

    def _write_parts(self, key: str, text: str, size: int) -> str:
        pieces = [text[start : start + size] for start in range(0, len(text), size)]
        head = f"{_SPLIT}{os.urandom(4).hex()}:{len(pieces)}"
        for part, piece in zip(_part_keys(key, head), pieces, strict=True):
            self._set(part, piece)
        return head

    def _delete_parts(self, key: str, head: str) -> None:
        if head.startswith(_SPLIT):
            for part in _part_keys(key, head):
                if self._get(part) is not None:
                    self._delete(part)

    def _get(self, key: str) -> str | None:
        return self._call(lambda: self._keyring.get_password(self._record.service_of(key), key))

    def _set(self, key: str, text: str) -> None:
        for _ in range(self._record.writes):
            self._call(lambda: self._keyring.set_password(self._record.service_of(key), key, text))

    def _delete(self, key: str) -> None:
        self._call(lambda: self._keyring.delete_password(self._record.service_of(key), key))

    def _call(self, function: Callable[[], Result]) -> Result:
        from keyring.errors import KeyringLocked

        if self._refusal:
            raise self._refusal
        try:
            return function() if self._seconds is None else self._within(self._seconds, function)
        except ShellvaultError:
            raise
        except Exception as error:
            problem = VaultError(self._message(error))
            if isinstance(error, TimeoutError) or (self._has_dialog and isinstance(error, KeyringLocked)):
                self._refusal = problem
            raise problem from error

    def _message(self, error: Exception) -> str:
        from keyring.errors import KeyringLocked

        elsewhere = f"choose another vault with {self._setting}"
        if isinstance(error, TimeoutError):
            remedy = "answer its dialog, check it runs" if self._has_dialog else "check it runs"
            return f"the keyring ({self.backend}) has not answered in time: {remedy}, or {elsewhere}"
        if isinstance(error, KeyringLocked):
            remedy = "answer its dialog" if self._has_dialog else self._record.how_to_unlock
            return f"the keyring ({self.backend}) is locked: {remedy}, or {elsewhere}"
        reason = ascii(" ".join(str(error).split()))[1:-1].rstrip(".") or type(error).__name__
        return f"the keyring ({self.backend}) cannot be used ({reason}): check it runs, or {elsewhere}"

    def _within(self, seconds: float, function: Callable[[], Result]) -> Result:
        if not self._has_dialog:
            return within(seconds, function)
        words = f"the keyring ({self.backend}): answer its dialog"
        dialog = threads.after(_DIALOG_SECONDS, contextvars.copy_context().run, waiting.waits_for, words)
        try:
            return within(seconds, function)
        finally:
            dialog.cancel()


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _part_keys(key: str, head: str) -> list[str]:
    """The keys of a document's parts. Raises ValueError for a damaged head."""
    generation, separator, count = head.removeprefix(_SPLIT).partition(":")
    if not separator or not count.isascii() or not count.isdigit() or int(count) > 10_000:
        raise ValueError("the list of its parts is damaged")
    return [f"{key}#{generation}.{number}" for number in range(int(count))]
