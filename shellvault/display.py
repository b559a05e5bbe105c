"""Text that is safe on a terminal, and production's mark: as the hooks do it in each shell."""

import re
from fnmatch import fnmatchcase

#: The user's own patterns of production's names, separated by commas; without it a word in the name decides.
PRODUCTION_VARIABLE = "SHELLVAULT_PRODUCTION"

_PRODUCTION = re.compile(r"(?<![A-Za-z0-9])prod(uction)?(?![A-Za-z0-9])", re.IGNORECASE)


def printable(text: str, limit: int | None = 200, keep: str = "") -> str:
    """The text, with every character escaped that a terminal would obey or hide, or that reorders text.

    That is control characters (C1 too), bidi marks, lone surrogates (which stand for raw bytes), unassigned and private
    characters; those in `keep` are left. Cut after `limit` characters, by default as a name or value in a
    one-line message (None: the whole text).
    """
    if not text.isprintable():
        text = "".join(c if c.isprintable() or c in keep else repr(c)[1:-1] for c in text)
    return text if limit is None or len(text) <= limit else text[: limit - 1] + "…"


def is_production(name: str, patterns: str | None) -> bool:
    """Whether a profile is one of production, which a prompt shows in bold red.

    `patterns` is the value of PRODUCTION_VARIABLE, in which `*` stands for any text; None without it.
    """
    if patterns is None:
        return _PRODUCTION.search(name) is not None
    escaped = (re.sub(r"([?\[])", r"[\1]", pattern) for pattern in patterns.split(",") if pattern)
    return any(fnmatchcase(name, pattern) for pattern in escaped)
