"""Rules for text that comes from outside."""

import re
from typing import TypeGuard

_VISIBLE_ASCII = re.compile(r"[!-~]+")


def is_visible_ascii(value: object) -> TypeGuard[str]:
    """Whether it is text of printable ASCII without blanks, and not empty: as keys and tokens of AWS are."""
    return isinstance(value, str) and _VISIBLE_ASCII.fullmatch(value) is not None
