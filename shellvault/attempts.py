"""Runs several actions, each even if others fail: every command that forgets uses this."""

from collections.abc import Callable, Iterable
from typing import Any

from shellvault import errors
from shellvault.errors import ShellvaultError


def attempt_all(actions: Iterable[Callable[[], Any]]) -> list[Any]:
    """Runs every action, and returns what they return.

    Raises the first ShellvaultError after all have run; its message includes the others.
    """
    results: list[Any] = []
    failed: list[ShellvaultError] = []
    for action in actions:
        try:
            results.append(action())
        except ShellvaultError as error:
            failed.append(error)
    messages = list(dict.fromkeys(map(str, failed)))
    if len(messages) == 1:
        raise failed[0]
    if messages:
        kind = next(base for base in type(failed[0]).__mro__ if base.__module__ == errors.__name__)
        raise kind("; ".join(messages)) from failed[0]
    return results
