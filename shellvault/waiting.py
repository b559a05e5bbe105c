"""Reports what the work waits for: the listener is set where the work begins, and called where it waits."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

#: How the name of what is waited for begins where the seconds are counted: nothing else writes to the terminal then.
COUNTED = ("AWS ", "IAM ", "Vault ")


def _nobody(what: str) -> None:
    """No listener."""


_hears: ContextVar[Callable[[str], None]] = ContextVar("hears", default=_nobody)


@contextmanager
def heard_by(hears: Callable[[str], None]) -> Iterator[None]:
    """Calls `hears` with what is waited for in the block, and in the calls that it bounds (deadline)."""
    before = _hears.set(hears)
    try:
        yield
    finally:
        _hears.reset(before)


def waits_for(what: str) -> None:
    """Says what is waited for from now on; empty where nothing may be shown, since a program asks by itself."""
    _hears.get()(what)
