"""Durations as people write them: `15m`, `12h`, `1h30m`, `1d`, `1w`, `900`, `900s`."""

import re

from shellvault.errors import ConfigError

# Each unit at most once, the largest first; eight digits reach three years in seconds and keep the sum small.
_PARTS = re.compile(
    r"(?:([0-9]{1,8})w)?(?:([0-9]{1,8})d)?(?:([0-9]{1,8})h)?(?:([0-9]{1,8})m)?(?:([0-9]{1,8})s?)?", re.ASCII
)
_SECONDS = (7 * 24 * 3600, 24 * 3600, 3600, 60, 1)


def parse_duration(text: str) -> int:
    """The whole seconds that `text` stands for; a bare number is seconds.

    Raises ConfigError for anything else, and for zero.
    """
    match = _PARTS.fullmatch(text)
    counts = match.groups(default="0") if match else ()
    seconds = sum(int(count) * unit for count, unit in zip(counts, _SECONDS, strict=False))
    if seconds <= 0:
        raise ConfigError(f"{text[:40]!a} is not a duration: write it like 15m, 1h30m, 1d or 900")
    return seconds


def format_duration(seconds: int) -> str:
    """A duration as `parse_duration` reads it: `15m`, `1h30m`, `20s`."""
    hours, minutes = divmod(seconds // 60, 60)
    parts = ((hours, "h"), (minutes, "m"), (seconds % 60, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count) or "0s"
