"""The ways in which a person allows a sign-in: in a browser on this machine, or with a code, shown or pasted."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

from shellvault import threads
from shellvault.display import printable
from shellvault.errors import NeedsPersonError, SessionError
from shellvault.sessions import locks
from shellvault.sessions.answers import Answer, one_line
from shellvault.sessions.model import Challenge, WithdrawnError
from shellvault.signin.attempt import PATIENCE, SignInAttempt
from shellvault.signin.listener import listening
from shellvault.signin.pkce import Secrets, new_secrets
from shellvault.signin.service import ServiceRefusalError

Result = TypeVar("Result")

#: Seconds between two checks whether the caller still waits.
_SLICE = 0.2
#: Seconds between two checks whether another program has signed in meanwhile.
_LOOK_ELSEWHERE = 1.0

#: How often a person may paste a wrong code.
_TRIES = 3


def by_browser(
    work: SignInAttempt,
    subject: str,
    link_for: Callable[[Secrets, str], str],
    redeem: Callable[[str, Secrets, str], Result],
    elsewhere: Callable[[], Result | None],
) -> Result:
    """The result of `redeem` for the code, verifier and redirect address of a sign-in in this machine's browser.

    `link_for` gives the page for the secrets and the redirect address, whose port is bound by then. `redeem` also
    stores its result: only after that does the browser show success. The wait ends early with the result of
    `elsewhere`, when another program has signed in. Raises NeedsPersonError when no person signed in in time,
    SessionError when the sign-in was refused, and what `redeem` raises.
    """
    secrets = new_secrets()
    with listening(secrets.state) as listener:
        link = link_for(secrets, listener.redirect_uri)
        tab = work.unanswered(subject)
        prompt = f"Sign in to {printable(subject)}"
        challenge = Challenge("sign-in", subject, prompt, link=link, was_shown=tab.exists())
        work.context.waits_for("you to sign in")
        with work.prompter.invite(challenge) as is_attended, _shown_to_waiters(challenge):
            found: list[Result] = []
            callback = listener.wait(PATIENCE, _goes_on(is_attended, elsewhere, found))
            if callback is None and not found and is_attended():
                # An unattended loop must not fill the browser with tabs.
                tab.touch()
        if found:
            return _from_elsewhere(work, subject, found[0])
        if callback is None:
            raise timed_out(work, subject)
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
    work: SignInAttempt,
    challenge: Challenge,
    seconds: float,
    interval: float,
    poll: Callable[[], Result | float],
    elsewhere: Callable[[], Result | None],
) -> Result:
    """The result of `poll`, called every `interval` seconds; a float that it returns is added to the interval.

    The wait ends early with the result of `elsewhere`, as in `by_browser`.
    Raises NeedsPersonError when no person has confirmed the code within `seconds`, and what `poll` raises.
    """
    end = time.monotonic() + seconds
    work.context.waits_for("you to sign in")
    with work.prompter.invite(challenge) as is_attended, _shown_to_waiters(challenge):
        found: list[Result] = []
        goes_on = _goes_on(is_attended, elsewhere, found)
        while time.monotonic() < end:
            pause = time.monotonic() + interval
            while time.monotonic() < pause:
                if not goes_on():
                    if found:
                        return _from_elsewhere(work, challenge.subject, found[0])
                    raise timed_out(work, challenge.subject)
                time.sleep(min(_SLICE, max(0.01, pause - time.monotonic())))
            outcome = poll()
            if not isinstance(outcome, float):
                return outcome
            interval += outcome
    raise timed_out(work, challenge.subject)


def by_pasting(
    work: SignInAttempt,
    challenge: Challenge,
    code_of: Callable[[str], str],
    redeem: Callable[[str], Result],
    elsewhere: Callable[[], Result | None],
) -> Result:
    """The result of `redeem` for the code that a person copies from a page.

    `code_of` reads it, and raises ValueError for what is none: then it is asked for again. The wait ends early with the
    result of `elsewhere`, as in `by_browser`. Raises SessionError after some wrong codes, NeedsPersonError where no
    person can be asked, and what `redeem` raises.
    """
    found: list[Result] = []
    problem = ""
    with _shown_to_waiters(challenge), _readable_when(elsewhere, found) as withdrawn:
        for _ in range(_TRIES):
            if problem:
                work.prompter.tell(problem)
            try:
                code = code_of(work.prompter.ask(challenge, withdrawn))
                break
            except ValueError as error:
                problem = str(error)
            except WithdrawnError:
                return _from_elsewhere(work, challenge.subject, found[0])
        else:
            raise SessionError(f"the sign-in was given up: {problem}")
    return redeem(code)


@contextmanager
def _readable_when(elsewhere: Callable[[], Result | None], found: list[Result]) -> Iterator[int]:
    """A descriptor that can be read once another program has signed in; its sign-in goes to `found`."""
    reads, writes = os.pipe()
    is_over = threading.Event()

    def watch() -> None:
        while not found and not is_over.wait(_LOOK_ELSEWHERE):
            if (result := elsewhere()) is not None:
                found.append(result)
                os.write(writes, b"\n")

    thread = threads.start(watch, modules=["email.utils", "string"])
    try:
        yield reads
    finally:
        is_over.set()
        thread.join()
        os.close(reads)
        os.close(writes)


def _shown_to_waiters(challenge: Challenge) -> AbstractContextManager[None]:
    """Shows the commands that wait for this sign-in where it is made, as the agent does (`_Answers.takes`)."""
    subject = printable(challenge.subject)
    if challenge.kind == "sign-in-code":
        return locks.noting(
            f"is asked for the code of a sign-in to {subject}: open {challenge.link} and give the code there"
        )
    shows = f" (it shows the code {challenge.code})" if challenge.code else ""
    return locks.noting(f"waits for a sign-in to {subject}: open {challenge.link}{shows}")


def _goes_on(
    is_attended: Callable[[], bool], elsewhere: Callable[[], Result | None], found: list[Result]
) -> Callable[[], bool]:
    """Whether to wait on: the caller still waits, and no other program has signed in, which goes to `found`."""
    next_look = time.monotonic()

    def goes_on() -> bool:
        nonlocal next_look
        if time.monotonic() >= next_look:
            next_look = time.monotonic() + _LOOK_ELSEWHERE
            found.extend(each for each in [elsewhere()] if each is not None)
        return not found and is_attended()

    return goes_on


def _from_elsewhere(work: SignInAttempt, subject: str, found: Result) -> Result:
    work.prompter.tell(f"another program has signed in to {printable(subject)}: using its sign-in")
    return found


def timed_out(work: SignInAttempt, subject: str) -> NeedsPersonError:
    """The error for a sign-in that was not finished in time."""
    return work.needs_person(f"the sign-in to {printable(subject)} timed out")
