"""Time limits for calls that may never return: a locked or stopped keyring must not hang the command."""

import contextvars
from collections.abc import Callable
from typing import TypeVar

from shellvault import threads

Result = TypeVar("Result")


def within(seconds: float, function: Callable[[], Result]) -> Result:
    """Runs `function` and returns or raises what it does. Raises TimeoutError after `seconds`.

    The call runs in a daemon thread, so the process can end while the call is stuck.
    """
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(function())
        except BaseException as error:
            errors.append(error)

    # Progress that the call reports (waiting) reaches our listener.
    threads.start(contextvars.copy_context().run, run).join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError(f"no answer within {seconds:g} seconds")
    return results[0]
