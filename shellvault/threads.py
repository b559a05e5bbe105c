"""The one place that starts threads. What a thread needs is imported before it starts, never in it.

Two threads that import modules of one package at once can each see half of it ("partially initialized module"), or
find a deadlock (importlib's _ModuleLock). tests/test_threads.py holds every thread to this.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, TypeVar

Argument = TypeVar("Argument")
Result = TypeVar("Result")

_loading = threading.RLock()


def load(*modules: str) -> None:
    """Imports modules, one thread at a time. A package that is not installed is left to the code that needs it."""
    with _loading:
        for name in modules:
            with suppress(ImportError):
                import_module(name)


def start(target: Callable[..., object], *arguments: Any, modules: Iterable[str] = ()) -> threading.Thread:
    """Runs `target` in a daemon thread, which the process does not wait for. `modules` are what it imports."""
    load(*modules)
    thread = threading.Thread(target=target, args=arguments, daemon=True)
    thread.start()
    return thread


def after(seconds: float, target: Callable[..., object], *arguments: Any) -> threading.Timer:
    """Runs `target` in a daemon thread after `seconds`, unless the timer is cancelled."""
    timer = threading.Timer(seconds, target, arguments)
    timer.daemon = True
    timer.start()
    return timer


def at_once(
    function: Callable[[Argument], Result],
    arguments: Sequence[Argument],
    most: int | None = None,
    modules: Iterable[str] = (),
) -> list[Result]:
    """What `function` returns for each argument, `most` at a time (default: all), in their order.

    `modules` are what it imports. Raises what the first of them raises.
    """
    load(*modules)
    if not arguments:
        return []
    # Not above: it imports logging, and few commands look at several things at once.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(most or len(arguments)) as pool:
        return list(pool.map(function, arguments))
