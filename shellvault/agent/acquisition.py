"""One job of the worker: from a request line to the texts that were asked for. Imported by the worker alone."""

import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from shellvault import locations, request
from shellvault.agent import renewal
from shellvault.agent.memory import stamp
from shellvault.agent.protocol import Message
from shellvault.agent.worker import Channel, Desk
from shellvault.errors import AgentError, SessionError, VaultError
from shellvault.plan import Options, Plan, Step, build
from shellvault.profiles.model import Profile
from shellvault.sessions.acquire import Circumstances, acquire
from shellvault.sessions.cache import DirectCache, SessionCache
from shellvault.sessions.environment import change_for
from shellvault.sessions.model import Challenge, Prompter, Session
from shellvault.sessions.obtain import Obtained, obtain, plan_for
from shellvault.vault import Vault, open_vault
from shellvault.vault.backends import file_path

#: A session in the agent's memory with less life than this (seconds) is compared with the one in the vault.
LOOK_IN_VAULT_BELOW = 15 * 60

#: Where a keyring would show a dialog. A job that nobody waits for must not make it.
DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")

_step_locks: dict[str, threading.Lock] = {}


def warm_up() -> None:
    """Imports what every job needs, while the first one is still being asked for."""
    import botocore.session  # noqa: F401
    import jinja2  # noqa: F401
