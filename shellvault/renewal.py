"""When a session is renewed: pure functions of its times. All times are epoch seconds, all spans seconds."""

#: A session is due when this much life is left, or a third of it if that is less.
LEAD = 15 * 60
#: A renewal takes only a session that lives longer than this many times its lead. The agent asks at up to 1.25, and
#: the rest allows for a clock that was set in the meantime.
REACH = 1.5
BACKOFF_FIRST, BACKOFF_LAST = 60, 15 * 60


def lead(issued_at: float, expires_at: float) -> float:
    """How long before its end a session is due, for the agent and for the shells that have it."""
    return min(LEAD, (expires_at - issued_at) / 3)


def due_at(issued_at: float, expires_at: float, jitter: float) -> float:
    """When the agent renews: a little before the shells ask, spread by `jitter` (0 to 1)."""
    return expires_at - lead(issued_at, expires_at) * (1.05 + 0.2 * jitter)


def backoff(failures: int) -> float:
    """How long to leave a renewal alone after so many failures in a row."""
    return min(BACKOFF_FIRST * 2.0 ** (failures - 1), BACKOFF_LAST)
