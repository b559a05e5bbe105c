"""The user's programs that give credentials, tokens or codes: bounded in time and output, no circles."""

import json
import os
import shlex
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from shellvault.errors import SessionError
from shellvault.plan import Step
from shellvault.profiles.parse import printable
from shellvault.sessions.model import Session
from shellvault.sessions.refusals import one_line
from shellvault.sessions.replies import checked_session, epoch

#: Seconds; such a program may have a person to ask.
DEADLINE = 120.0
#: Bytes of stdout, and of a token file.
OUTPUT_LIMIT = 256 * 1024
_COMPLAINT_LIMIT = 4096
_LEFT_BEHIND_SECONDS = 1.0


def credential_process(step: Step, environment: Mapping[str, str], now: float) -> Session:
    """Runs credential_process as the AWS CLI does: split like a shell's words, but without a shell.

    The output is as the AWS CLI User Guide has it ("Sourcing credentials with an external process"):
    SessionToken and Expiration are optional. Raises SessionError for anything else.
    """
    who = f"credential_process of profile {printable(step.profile)}"
    try:
        words = shlex.split(step.credential_process or "")
    except ValueError as error:
        raise SessionError(f"{who} has unbalanced quotes: correct it in the AWS config file") from error
    output = run(words, who, environment)
    try:
        reply = json.loads(output)
    except (ValueError, RecursionError):
        raise SessionError(f"{who} printed no JSON: run it by hand to see what it prints") from None
    if not isinstance(reply, dict) or reply.get("Version") != 1:
        raise SessionError(f"{who} printed JSON without Version 1: it is not made for this")
    expiration = reply.get("Expiration")
    expires_at = None if expiration is None else epoch(who, expiration)
    parts = (reply.get("AccessKeyId"), reply.get("SecretAccessKey"), reply.get("SessionToken"))
    return checked_session(who, *parts, expires_at, now)


def web_identity_token(step: Step, environment: Mapping[str, str]) -> str:
    """The token of web_identity_token_file, else of web_identity_token_process. Raises SessionError."""
    name = printable(step.profile)
    if step.web_identity_token_file:
        who = f"web_identity_token_file of profile {name}"
        data = _read_file(Path(step.web_identity_token_file).expanduser(), who)
    else:
        who = f"web_identity_token_process of profile {name}"
        data = run(step.web_identity_token_process or "", who, environment)
    token = data.decode("ascii", "replace").strip()
    # 4 to 20,000 characters: STS API reference, AssumeRoleWithWebIdentity.
    if not (4 <= len(token) <= 20_000 and token.isascii() and token.isprintable()):
        raise SessionError(f"{who} gave no token: look at what it gives")
    return token


def mfa_code(step: Step, environment: Mapping[str, str]) -> str:
    """What the shell command mfa_process prints, trimmed. It may ask on the terminal. Raises SessionError."""
    who = f"mfa_process of profile {printable(step.profile)}"
    output = run(step.mfa_process or "", who, environment, terminal=True)
    return output.decode("ascii", "replace").strip()


def _read_file(path: Path, who: str) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(OUTPUT_LIMIT)
    except OSError as error:
        raise SessionError(
            f"{who}: cannot read {printable(str(path))} ({error.strerror}): correct it"
        ) from error


def run(
    command: str | Sequence[str],
    who: str,
    environment: Mapping[str, str],
    *,
    terminal: bool = False,
    deadline: float = DEADLINE,
) -> bytes:
    """The stdout of `command`, a shell's line or a list of words. `terminal` lets it talk to the person
    there.

    Raises SessionError, with the last line of its stderr, when it fails, prints too much or takes longer than
    `deadline` seconds; it is killed then. It stays in our session and process group, as the AWS CLI has it,
    so that it may use the terminal by itself.
    """
    tty = _terminal() if terminal else None
    try:
        process = subprocess.Popen(
            command,
            shell=isinstance(command, str),
            env=dict(environment),
            stdin=subprocess.DEVNULL if tty is None else tty,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if tty is None else tty,
        )
    except (OSError, ValueError, IndexError) as error:
        reason = one_line(str(error), ())
        raise SessionError(f"{who} cannot be started ({reason}): correct its command") from error
    finally:
        if tty is not None:
            os.close(tty)
    return _output(process, who, deadline)


def _terminal() -> int | None:
    try:
        return os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return None


def _output(process: subprocess.Popen[bytes], who: str, deadline: float) -> bytes:
    output, complaints = bytearray(), bytearray()
    readers = [
        threading.Thread(target=_read_output, args=(process, output), daemon=True),
        threading.Thread(target=_read_complaints, args=(process, complaints), daemon=True),
    ]
    for reader in readers:
        reader.start()
    try:
        status = process.wait(deadline)
    except subprocess.TimeoutExpired:
        raise SessionError(f"{who} did not end within {deadline:.0f} s: run it by hand") from None
    finally:
        process.kill()
        process.wait()
    for reader in readers:
        # A child that it left behind may keep the pipes open for ever.
        reader.join(_LEFT_BEHIND_SECONDS)
    if len(output) > OUTPUT_LIMIT:
        raise SessionError(f"{who} printed more than {OUTPUT_LIMIT} bytes: correct its command")
    if status != 0:
        lines = complaints.decode("utf-8", "replace").strip().splitlines()
        said = f": {one_line(lines[-1], ())}" if lines else ""
        raise SessionError(f"{who} failed with status {status}, run it by hand{said}")
    return bytes(output)


def _read_output(process: subprocess.Popen[bytes], output: bytearray) -> None:
    while process.stdout and (chunk := os.read(process.stdout.fileno(), 65536)):
        output += chunk
        if len(output) > OUTPUT_LIMIT:
            process.kill()
            return


def _read_complaints(process: subprocess.Popen[bytes], complaints: bytearray) -> None:
    while process.stderr and (chunk := os.read(process.stderr.fileno(), 65536)):
        complaints += chunk
        del complaints[:-_COMPLAINT_LIMIT]
