"""MFA codes: where they come from, and what to do when AWS rejects one.

A code is good for one call (IAM User Guide, "Using MFA devices": each can be used once), so sent codes
are remembered for some minutes, and none is sent twice.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from shellvault import files
from shellvault.display import printable
from shellvault.errors import SessionError
from shellvault.plan.steps import StsCall
from shellvault.sessions import processes
from shellvault.sessions.context import Context
from shellvault.sessions.locks import exclusive
from shellvault.sessions.model import Challenge, Prompter, Session
from shellvault.sessions.processes import RunHelper
from shellvault.sessions.refusals import RefusedError, UnsentError

TRIES = 3
#: Questions to a person in total: already used codes do not count as attempts.
_QUESTIONS = 10
#: Seconds that a code is remembered; AWS accepts none this old.
_REMEMBERED = 300
_LOCK_SECONDS = 10.0
#: Virtual devices and hardware tokens have six digits, RFC 4226 allows up to eight.
_CODE = re.compile(r"[0-9]{6,8}", re.ASCII)


def with_code(
    step: StsCall, prompter: Prompter, context: Context, run: RunHelper, use: Callable[[str], Session]
) -> Session:
    """What `use` returns for a code that AWS accepts.

    The code is that of --mfa-token, else of mfa_process, else the person's. Raises NeedsPersonError when
    no person can be asked, SessionError when no code is accepted, and the other errors of `use`.
    """
    if context.mfa_token:
        return _from_token(step, context.mfa_token, context, use)
    if step.mfa_process:
        return _from_process(step, prompter, context, run, use)
    return _from_person(step, prompter, context, use)


def _from_token(step: StsCall, code: str, context: Context, use: Callable[[str], Session]) -> Session:
    if not _CODE.fullmatch(code):
        raise SessionError("the code of --mfa-token is not 6 digits: give the one your device shows")
    if not _claim(step, code, context):
        raise SessionError("the code of --mfa-token has been used already: give the next one")
    try:
        return _sent(step, code, context, use)
    except RefusedError as error:
        if error.reason == "wrong-code":
            raise SessionError("AWS did not accept the code of --mfa-token: give the next one") from error
        raise


def _from_process(
    step: StsCall, prompter: Prompter, context: Context, run: RunHelper, use: Callable[[str], Session]
) -> Session:
    for tried in range(TRIES):
        if tried:
            _wait_for_next_code(prompter, context)
        code = processes.mfa_code(step, run)
        if not _CODE.fullmatch(code):
            raise SessionError(
                f"mfa_process of profile {printable(step.profile)} printed no code of 6 digits"
            )
        if not _claim(step, code, context):
            continue
        try:
            return _sent(step, code, context, use)
        except RefusedError as error:
            if error.reason != "wrong-code":
                raise
    raise SessionError(
        f"AWS accepted no code of mfa_process in {TRIES} tries: check mfa_process, mfa_serial and the clock"
    )


def _wait_for_next_code(prompter: Prompter, context: Context) -> None:
    window = context.mfa_window
    seconds = window - context.clock() % window
    prompter.tell(f"this MFA code was used already or not accepted: waiting {seconds:.0f} s for the next one")
    context.sleep(seconds + 0.1)


def _from_person(
    step: StsCall, prompter: Prompter, context: Context, use: Callable[[str], Session]
) -> Session:
    serial = step.mfa_serial or ""
    challenge = Challenge("mfa-code", serial, f"Enter MFA code for {printable(serial)}: ")
    tries = TRIES
    for _ in range(_QUESTIONS):
        code = "".join(prompter.ask(challenge).split())
        if not _CODE.fullmatch(code):
            problem = "an MFA code is 6 digits"
        elif not _claim(step, code, context):
            prompter.tell("that code has been used already: wait for the next one")
            continue
        else:
            try:
                return _sent(step, code, context, use)
            except RefusedError as error:
                if error.reason != "wrong-code":
                    raise
                problem = "AWS did not accept that code"
        tries -= 1
        if tries == 0:
            break
        prompter.tell(f"{problem}: try again ({tries} left)")
    raise SessionError(f"no MFA code was accepted for {printable(serial)}: check the device and the clock")


def _sent(step: StsCall, code: str, context: Context, use: Callable[[str], Session]) -> Session:
    """What `use` returns for a claimed code, which stays usable if it did not reach AWS."""
    try:
        return use(code)
    except UnsentError:
        _release(step, code, context)
        raise


def _claim(step: StsCall, code: str, context: Context) -> bool:
    """Whether `code` may be sent; from now on it counts as used, by this and every other process."""
    digest, now = _digest(step, code), context.clock()
    with _remembered(context) as used:
        if digest in used:
            return False
        used[digest] = int(now)
    return True


def _release(step: StsCall, code: str, context: Context) -> None:
    with _remembered(context) as used:
        used.pop(_digest(step, code), None)


def _digest(step: StsCall, code: str) -> str:
    return hashlib.sha256(f"{step.mfa_serial}\0{code}".encode()).hexdigest()


@contextmanager
def _remembered(context: Context) -> Iterator[dict[str, int]]:
    """The used codes' digests and times (epoch seconds), to be changed, by one process at a time."""
    path, now = context.state_directory / "used-codes.json", context.clock()
    with exclusive(path.with_suffix(".lock"), "an MFA code", lambda message: None, _LOCK_SECONDS):
        found = _used_codes(path)
        used = {old: time for old, time in found.items() if abs(now - time) < _REMEMBERED}
        yield used
        # On a full or read-only disk it is not remembered: AWS refuses a code sent twice.
        if used != found:
            with suppress(OSError):
                files.replace(path, json.dumps(used).encode(), 0o600, alone=True)


def _used_codes(path: Path) -> dict[str, int]:
    """The used codes' digests and times (epoch seconds); a missing or damaged file has none."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {digest: time for digest, time in found.items() if type(time) is int}
