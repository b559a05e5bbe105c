"""What persons have said about the places of settings, roles and hosts.

A coding agent can set the same variables for its own commands. A value that no person has given does not choose the
rule for it, and is named in the question that a person is asked.
"""

import os
import pwd
from collections.abc import Mapping
from contextlib import suppress

from shellvault import guard
from shellvault.agent.caller import Caller
from shellvault.fastlane import request
from shellvault.protocol import Message

#: The most values, and lines, that are remembered. After more, persons have to say them again.
REMEMBERED = 1000


class Said:
    """The values of request fields that are a person's own."""

    def __init__(self) -> None:
        self._values: set[tuple[str, str]] = set()
        self._lines: set[str] = set()
        self._network: dict[str, str] = {}
        self._is_guess = False
        """Whether nothing is known yet but the user's home."""
        with suppress(KeyError):
            self.note({"HOME": pwd.getpwuid(os.getuid()).pw_dir}, "/")
        self._is_guess = True

    def note(self, environment: Mapping[str, str], directory: str) -> None:
        """A person, or a program that is no coding agent and has started us, has this environment."""
        self._network = {name: environment[name] for name in guard.NETWORK_VARIABLES if name in environment}
        self.note_line(request.encode("-", {}, dict(environment), directory))

    def note_line(self, line: str) -> None:
        """A person has sent this request line."""
        if line in self._lines and not self._is_guess:
            return
        if self._is_guess or len(self._values) > REMEMBERED or len(self._lines) > REMEMBERED:
            self._is_guess = False
            self._values.clear()
            self._lines.clear()
        self._lines.add(line)
        self._values.update(_fields(line).items())

    def others(self, line: str) -> str:
        """The names of the line's fields that no person has given such a value, with commas between them."""
        fields = _fields(line).items()
        return ",".join(sorted(name for name, value in fields if (name, value) not in self._values))

    def are_settings(self, home: str, config_home: str) -> bool:
        """Whether the settings of this environment are a person's."""
        return ("XDG_CONFIG_HOME", _settings(home, config_home)) in self._values

    def with_network(self, caller: Caller) -> Caller:
        """The caller with the proxies and certificates of persons."""
        own = {
            name: value for name, value in caller.environment.items() if name not in guard.NETWORK_VARIABLES
        }
        return caller._replace(environment={**own, **self._network})

    def state(self) -> Message:
        """The state for a fresh agent (see `restart`); nothing in it is secret."""
        return {"values": sorted(self._values), "network": self._network, "is_guess": self._is_guess}

    def restore(self, state: Message) -> None:
        """Takes back what `state` gave."""
        self._values = {(name, value) for name, value in state["values"]}
        self._network, self._is_guess = state["network"], state["is_guess"]
        self._lines.clear()


def _fields(line: str) -> dict[str, str]:
    """The fields of a line that decide what its profile means, and which hosts are asked."""
    fields = {"home": ""} | request.decode(line)[1]
    own = {name: value for name, value in fields.items() if name not in guard.FREE}
    return own | {"XDG_CONFIG_HOME": _settings(fields["home"], fields.get("XDG_CONFIG_HOME", ""))}


def _settings(home: str, config_home: str) -> str:
    """The folder of the settings (`locations.config_file`)."""
    return config_home if config_home.startswith("/") else f"{home}/.config"
