"""What probing tells of a backend."""

from typing import NamedTuple


class Presence(NamedTuple):
    """One may be there and yet not be usable now, as a locked keyring."""

    there: bool
    usable: bool
    reason: str
