"""This process's own actor, as the agent would see it: for commands that run without the agent."""

import functools
import os
from collections.abc import Mapping

from shellvault import guard, settings
from shellvault.actors import Actor, Actors, seen, words_of
from shellvault.errors import NotAllowedError
from shellvault.variables import PASSPHRASE_VARIABLES


def actor(environment: Mapping[str, str]) -> Actor:
    """The caller that this process is. Raises ConfigError for settings that cannot be read."""
    return _actor(os.getpid(), settings.load(environment).coding_agents)


def actor_of(pid: int, environment: Mapping[str, str]) -> Actor:
    """The caller that another process is now. Raises ConfigError."""
    return _looked_up(pid, settings.load(environment).coding_agents)


def is_coding_agent(environment: Mapping[str, str]) -> bool:
    """Whether a coding agent has started it."""
    return actor(environment).kind == "coding-agent"


def passphrase(environment: Mapping[str, str]) -> str | None:
    """The passphrase in the environment; None for a coding agent."""
    given = next(filter(None, map(environment.get, PASSPHRASE_VARIABLES)), None)
    return None if given is None or is_coding_agent(environment) else given


def check(operation: str, environment: Mapping[str, str]) -> None:
    """Checks by the table (guard) that this process may do an operation itself. Raises NotAllowedError, ConfigError."""
    if not guard.is_for_agents(operation) and is_coding_agent(environment):
        raise NotAllowedError(guard.FOR_A_PERSON)


@functools.cache
def _actor(pid: int, also: tuple[str, ...]) -> Actor:
    return _looked_up(pid, also)


def _looked_up(pid: int, also: tuple[str, ...]) -> Actor:
    actors = Actors(seen, words_of)
    actors.also(also)
    return actors.of(pid)
