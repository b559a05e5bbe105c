"""Where a command runs: its current folder, even a removed one, and what its environment decides.

The one place that asks for the current folder. The fast lane has its own (`fastlane.commands`), since it may import
nothing.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from shellvault import locations
from shellvault.errors import ShellvaultError, UsageError
from shellvault.fastlane import connection, request


def folder() -> str:
    """The current folder, "" where it has been removed (getcwd(3): ENOENT) or cannot be reached."""
    try:
        return os.getcwd()  # noqa: PTH109 - a string is wanted
    except OSError:
        return ""


def working_directory() -> str:
    """The folder for relative paths and helper programs: `/` where the current one is gone."""
    return folder() or "/"


def absolute(path: str) -> Path:
    """`path` as the current folder makes it absolute. Raises UsageError where that folder is gone and is needed."""
    directory = folder()
    if not (directory or Path(path).is_absolute()):
        raise _gone(path)
    return Path(directory, path)


def config_file(environment: Mapping[str, str]) -> Path:
    """The AWS config file. Raises UsageError where its path is relative to a folder that is gone."""
    try:
        return Path(request.config_path(dict(environment), folder()))
    except ValueError:
        raise _gone(f"AWS_CONFIG_FILE={environment.get('AWS_CONFIG_FILE', '')}") from None


def request_line(profile: str, options: Mapping[str, str], environment: Mapping[str, str]) -> str:
    """The request for a session (`request.encode`) that is made here. Raises UsageError as `config_file` does."""
    config_file(environment)
    return request.encode(profile, dict(options), dict(environment), folder())


def stored_names(environment: Mapping[str, str]) -> list[str]:
    """The names that have stored keys, without opening the vault; none where they cannot be read."""
    try:
        return locations.noted_names(locations.names_file(environment))
    except ShellvaultError:
        return []


def login_name() -> str:
    """The name of this process's user, as the system has it and not the environment, where it can be had."""
    if sys.platform == "win32":
        import getpass

        return getpass.getuser()
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user-{os.getuid()}"


def agent_allowed(environment: Mapping[str, str]) -> bool:
    """Whether the environment lets the agent be used."""
    return connection.agent_allowed(dict(environment))


def _gone(path: str) -> UsageError:
    return UsageError(
        f"the current folder has been removed, and {path!r} is relative to it: change to another folder"
    )
