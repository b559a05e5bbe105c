"""Inviting a person to sign in: the link on the terminal, and in a browser if there is one."""

import os
import threading
from collections.abc import Mapping

from shellvault import settings, threads
from shellvault.browser import NO_BROWSER
from shellvault.dialogue import terminal
from shellvault.display import printable
from shellvault.errors import NeedsPersonError, ShellvaultError
from shellvault.sessions.model import Challenge


def show(challenge: Challenge, environment: Mapping[str, str]) -> threading.Thread | None:
    """Shows the sign-in link and opens it in the browser. Returns at once, with the process that opens it.

    Raises NeedsPersonError without a terminal, and for a command in the background: no person looks at it. No browser
    opens for a link with a code, which may be for another machine, nor for one that another command has opened.
    """
    _require_person()
    browser = _browser(challenge, environment)
    opens = (
        browser != NO_BROWSER and not challenge.was_shown and (not challenge.code or _is_named(environment))
    )
    opens = opens and challenge.kind == "sign-in"
    terminal.write(_text(challenge, opens=opens))
    if not opens:
        return None
    return threads.start(_open, challenge.link, environment, browser)


def _require_person() -> None:
    with terminal.opened() as descriptor:
        try:
            is_in_front = os.tcgetpgrp(descriptor) == os.getpgrp()
        except OSError:
            is_in_front = False
    if not is_in_front:
        raise NeedsPersonError("this command runs in the background")


def _text(challenge: Challenge, *, opens: bool) -> str:
    # The link comes before the prompt for the code.
    is_pasted = challenge.kind == "sign-in-code"
    what = printable(f"Sign in to {challenge.subject}" if is_pasted else challenge.prompt.rstrip(": "), None)
    if challenge.code:
        how = f"{what}: open this link in any browser, and check that it shows the code {printable(challenge.code)}"
    elif is_pasted:
        how = f"{what}: open this link in any browser, and copy the code that it shows in the end"
    elif opens:
        how = f"{what} in the browser that opens, or with this link"
    else:
        how = f"{what} with this link in a browser of this machine"
    return f"{how}:\n\n  {printable(challenge.link, None)}\n\n"


def _browser(challenge: Challenge, environment: Mapping[str, str]) -> str | None:
    """The command that opens links, NO_BROWSER, or None for the default browser."""
    if named := environment.get("SHELLVAULT_BROWSER"):
        return named
    own = settings.load(environment)
    return own.browsers.get(challenge.subject) or own.browser


def _is_named(environment: Mapping[str, str]) -> bool:
    return bool(environment.get("SHELLVAULT_BROWSER"))


def _open(link: str, environment: Mapping[str, str], browser: str | None) -> None:
    from shellvault.browser.opener import open_link

    try:
        if open_link(link, environment, browser):
            return
        problem = "no browser could be opened"
    except ShellvaultError as error:
        problem = str(error)
    try:
        terminal.write(f"{printable(problem, None)}: open the link yourself\n")
    except ShellvaultError:
        return
