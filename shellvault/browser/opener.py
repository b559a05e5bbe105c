"""Chooses the program that opens a link, and runs it without the terminal and without a secret in its arguments.

The order: the browser of the command line or a setting, `$BROWSER` (a list as Python's `webbrowser` reads it:
separated by `:`, `%s` stands for the link), then the system's opener: `wslview` under WSL, `open` on macOS,
`xdg-open` if there is a display.
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from shellvault.browser.one_time_link import one_time_link
from shellvault.errors import UsageError
from shellvault.variables import SESSION_VARIABLES, for_children

#: Seconds after which an opener that still runs counts as a browser.
OPENER_SECONDS = 5.0
#: Seconds in which a browser must fetch the link.
FETCH_SECONDS = 30.0

#: Browsers that would take over the terminal; the link is printed instead.
_TEXT_BROWSERS = ("elinks", "links", "links2", "lynx", "w3m", "www-browser")


@dataclass(frozen=True, slots=True)
class Opened:
    """The outcome: the program that opened the link, or None."""

    program: str | None

    def __bool__(self) -> bool:
        return self.program is not None


def open_link(link: str, environment: Mapping[str, str], browser: str | None = None) -> Opened:
    """Opens `link` (http or https) in `browser`, else in the environment's browser.

    The opener gets a one-time link to this machine, so that its command line holds no secret. Under WSL it gets the
    link itself, because the browser may not reach this machine. Returns within FETCH_SECONDS; the caller prints the
    link if no program could open it. Raises UsageError for a missing `browser`.
    """
    if not link.startswith(("https://", "http://")) or not link.isprintable() or " " in link:
        raise ValueError("not a link")
    child = _environment(environment)
    for command in _commands(environment, browser):
        name = Path(command[0]).name
        if _is_wsl(environment):
            if _ran(_with_link(command, link), child):
                return Opened(name)
            continue
        with one_time_link(link) as once:
            if _ran(_with_link(command, once.url), child) and once.wait(FETCH_SECONDS):
                return Opened(name)
    return Opened(None)


def _commands(environment: Mapping[str, str], browser: str | None) -> Iterator[list[str]]:
    """The commands to try, in order; `%s` stands for the link."""
    path = environment.get("PATH", os.defpath)
    if browser:
        words = _split(browser)
        if shutil.which(words[0], path=path) is None:
            raise UsageError(f"the browser {words[0]!a} is not on PATH: name another with --browser")
        yield words
        return
    for choice in filter(None, environment.get("BROWSER", "").split(os.pathsep)):
        words = _split(choice)
        if Path(words[0]).name not in _TEXT_BROWSERS and shutil.which(words[0], path=path):
            yield words
    for words in _system_openers(environment):
        if shutil.which(words[0], path=path):
            yield words


def _system_openers(environment: Mapping[str, str]) -> Iterator[list[str]]:
    if sys.platform == "darwin":
        yield ["open"]
    elif sys.platform == "win32":
        yield ["rundll32", "url.dll,FileProtocolHandler"]
    elif _is_wsl(environment):
        yield ["wslview"]
        yield ["explorer.exe"]
    elif environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"):
        yield ["xdg-open"]
        yield ["gio", "open"]


def _split(command: str) -> list[str]:
    try:
        return shlex.split(command) or [command]
    except ValueError:
        return [command]


def _with_link(command: list[str], link: str) -> list[str]:
    if any("%s" in word for word in command[1:]):
        return [command[0], *(word.replace("%s", link) for word in command[1:])]
    return [*command, link]


def _ran(command: list[str], environment: Mapping[str, str]) -> bool:
    """Runs an opener without the terminal. True if it succeeded, or still runs as a browser."""
    try:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return False
    try:
        return process.wait(OPENER_SECONDS) == 0
    except subprocess.TimeoutExpired:
        return True


def _environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a browser, without secrets and sessions."""
    return {name: value for name, value in for_children(environment).items() if name not in SESSION_VARIABLES}


def _is_wsl(environment: Mapping[str, str]) -> bool:
    return sys.platform == "linux" and bool(environment.get("WSL_DISTRO_NAME"))
