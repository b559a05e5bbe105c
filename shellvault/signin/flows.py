"""The two ways in which a person allows a sign-in: in a browser that comes back by itself, or with a code."""

import time
from collections.abc import Callable
from typing import TypeVar

from shellvault.display import printable
from shellvault.errors import NeedsPersonError
from shellvault.sessions.answers import Answer, one_line
from shellvault.sessions.model import Challenge
from shellvault.signin.listener import listening
from shellvault.signin.pkce import Secrets, new_secrets
from shellvault.signin.service import ServiceRefusalError
from shellvault.signin.work import PATIENCE, Work

Result = TypeVar("Result")

#: How often a wait looks whether somebody still waits, in seconds.
_SLICE = 0.2
#: How often it looks whether another program has signed in meanwhile, in seconds.
_LOOK_ELSEWHERE = 1.0


def by_browser(
    work: Work,
    subject: str,
    link_for: Callable[[Secrets, str], str],
    redeem: Callable[[str, Secrets, str], Result],
    elsewhere: Callable[[], Result | None],
) -> Result:
    """What `redeem` makes of the code, verifier and redirect address of a sign-in in this machine's browser.

    `link_for` gives the page for a state, challenge and redirect address; the port is bound before anybody sees it.
    `redeem` keeps what it gets: only then does the browser say that it worked. The wait ends early with what
    `elsewhere` gives: another program has signed in. Raises NeedsPersonError when nobody signed in, SessionError when
    it was refused, and whatever `redeem` raises.
    """
    secrets = new_secrets()
    with listening(secrets.state) as listener:
        link = link_for(secrets, listener.redirect_uri)
        tab = work.unanswered(subject)
        prompt = f"Sign in to {printable(subject)}"
        challenge = Challenge("sign-in", subject, prompt, link=link, was_shown=tab.exists())
        work.context.waits_for("you to sign in")
        with work.prompter.invite(challenge) as is_attended:
            found: list[Result] = []
            callback = listener.wait(PATIENCE, _goes_on(is_attended, elsewhere, found))
            if callback is None and not found and is_attended():
                # A loop that nobody watches must not fill the browser with tabs.
                tab.touch()
        if found:
            return _told(work, subject, found[0])
        if callback is None:
            raise nobody(work, subject)
        tab.unlink(missing_ok=True)
        if callback.code is None:
            listener.finish("refused")
            answer = Answer(
                one_line(callback.error or "no code", ()), said=one_line(callback.description or "", ())
            )
            raise ServiceRefusalError(f"the sign-in to {printable(subject)}", answer)
        result = redeem(callback.code, secrets, listener.redirect_uri)
        listener.finish("signed-in")
        return result


def by_polling(
    work: Work,
    challenge: Challenge,
    seconds: float,
    interval: float,
    poll: Callable[[], Result | float],
    elsewhere: Callable[[], Result | None],
) -> Result:
    """What `poll` gives, asked every `interval` seconds: a result, or by how many seconds to ask more slowly.

    The wait ends early with what `elsewhere` gives, as in `by_browser`.
    Raises NeedsPersonError when nobody has confirmed the code within `seconds`, and whatever `poll` raises.
    """
    end = time.monotonic() + seconds
    work.context.waits_for("you to sign in")
    with work.prompter.invite(challenge) as is_attended:
        found: list[Result] = []
        goes_on = _goes_on(is_attended, elsewhere, found)
        while time.monotonic() < end:
            pause = time.monotonic() + interval
            while time.monotonic() < pause:
                if not goes_on():
                    if found:
                        return _told(work, challenge.subject, found[0])
                    raise nobody(work, challenge.subject)
                time.sleep(min(_SLICE, max(0.01, pause - time.monotonic())))
            outcome = poll()
            if not isinstance(outcome, float):
                return outcome
            interval += outcome
    raise nobody(work, challenge.subject)


def _goes_on(
    is_attended: Callable[[], bool], elsewhere: Callable[[], Result | None], found: list[Result]
) -> Callable[[], bool]:
    """Whether to wait further: somebody waits still, and nothing was `found`; that is looked for each second."""
    next_look = time.monotonic()

    def goes_on() -> bool:
        nonlocal next_look
        if time.monotonic() >= next_look:
            next_look = time.monotonic() + _LOOK_ELSEWHERE
            found.extend(each for each in [elsewhere()] if each is not None)
        return not found and is_attended()

    return goes_on


def _told(work: Work, subject: str, found: Result) -> Result:
    work.prompter.tell(f"signed in to {printable(subject)} in another program: going on with that")
    return found


def nobody(work: Work, subject: str) -> NeedsPersonError:
    """The error for a sign-in that nobody has finished."""
    return work.needs_person(f"nobody has signed in to {printable(subject)} in time")
