"""The result of probing a backend."""

from typing import NamedTuple


class ProbeResult(NamedTuple):
    """A backend may be present but not usable now: a locked keyring."""

    there: bool
    usable: bool
    reason: str
