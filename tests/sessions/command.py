"""A command in a process of its own: `python -m tests.sessions.command REQUEST [CODE]` prints the session's
key id.
"""

import os
import sys
import time
from pathlib import Path

from shellvault import locations
from shellvault.sessions.cache import DirectCache
from shellvault.sessions.context import Context
from shellvault.sessions.for_request import acquire_for_request, parsed, plan_for_request
from shellvault.sessions.model import Challenge
from shellvault.vault import Vault, open_vault


class _Person:
    """Types the code of the command line, and says so."""

    def ask(self, challenge: Challenge) -> str:
        print("asked", flush=True)
        return sys.argv[2]

    def tell(self, message: str) -> None:
        print("told", message, flush=True)


def vault_of(environment: dict[str, str]) -> Vault:
    """The encrypted file of a home, whose passphrase is in the environment."""

    def nobody(new: bool, problem: str | None, path: Path) -> str:
        raise AssertionError(problem)

    return open_vault("file", environment, nobody)


def main() -> None:
    """Gets the session as the command without an agent does."""
    environment = dict(os.environ)
    state, person = locations.state_directory(environment), _Person()
    vault = vault_of(environment)
    start = float(environment.get("START_AT", "0"))
    time.sleep(max(0.0, start - time.time()))
    planned, cache = (
        plan_for_request(parsed(sys.argv[1]), vault.stored_keys(), {}),
        DirectCache(vault, state, person),
    )
    acquired = acquire_for_request(
        parsed(sys.argv[1]), planned, vault, cache, person, Context(state, environment), "never"
    )
    print("got", acquired.session.access_key_id, flush=True)


if __name__ == "__main__":
    main()
