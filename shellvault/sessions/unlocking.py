"""How long the agent can unlock an encrypted file after a person gave the passphrase."""

from collections.abc import Mapping

from shellvault import settings
from shellvault.errors import ConfigError
from shellvault.profiles.durations import parse_duration

VARIABLE = "SHELLVAULT_UNLOCK_TTL"

#: A working day.
DEFAULT = "8h"


def unlock_ttl(environment: Mapping[str, str]) -> int:
    """The seconds of SHELLVAULT_UNLOCK_TTL, else of the settings, else a working day. Raises ConfigError."""
    own = settings.load(environment)
    for source, given in (
        (VARIABLE, environment.get(VARIABLE)),
        (f"{str(own.path)!r}: unlock_ttl", own.unlock_ttl),
    ):
        if given:
            try:
                return parse_duration(given)
            except ConfigError as error:
                raise ConfigError(f"{source}: {error}") from None
    return parse_duration(DEFAULT)
