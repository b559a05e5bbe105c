"""The user's programs that give credentials, tokens or codes: limited in time and output, without recursion."""

import json
import os
import re
import selectors
import shlex
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from shellvault.display import printable
from shellvault.errors import SessionError
from shellvault.plan.steps import Process, StsCall, WebIdentity
from shellvault.sessions.answers import one_line
from shellvault.sessions.model import Helper, HelperKind, Session
from shellvault.sessions.recursion import environment_for_helper
from shellvault.sessions.replies import checked_session, epoch

#: Seconds; such a program may ask a person.
DEADLINE = 120.0
#: Bytes of stdout, and of a token file.
OUTPUT_LIMIT = 256 * 1024
_COMPLAINT_LIMIT = 4096
_LEFT_BEHIND_SECONDS = 1.0
#: Seconds between checks whether a program has ended while another process holds its pipes open.
_LOOK_SECONDS = 0.1

#: Runs a profile's helper program: the setting that names it, and its command. Raises SessionError.
RunHelper = Callable[[HelperKind, str], bytes]


def credential_process(step: Process, run: RunHelper, now: float) -> Session:
    """What the step's credential_process gives.

    Its output is read as boto3 reads it (AWS CLI User Guide, "Sourcing credentials with an external process"):
    SessionToken and Expiration are optional, other members are ignored. Raises SessionError.
    """
    source = f"credential_process of profile {printable(step.profile)}"
    output = run("credential_process", step.command)
    try:
        reply = json.loads(output)
    except (ValueError, RecursionError):
        raise SessionError(f"{source} printed no JSON: run it by hand to see what it prints") from None
    if not isinstance(reply, dict) or reply.get("Version") != 1:
        raise SessionError(f"{source} printed JSON without Version 1: it is not made for this")
    expiration = reply.get("Expiration")
    expires_at = None if expiration is None else epoch(source, expiration)
    token = reply.get("SessionToken")
    parts = (reply.get("AccessKeyId"), reply.get("SecretAccessKey"), None if token == "" else token)
    account = reply.get("AccountId")
    is_account = isinstance(account, str) and re.fullmatch("[0-9]{12}", account)
    return checked_session(source, *parts, expires_at, now, account_id=account if is_account else None)


def web_identity_token(step: WebIdentity, run: RunHelper) -> str:
    """The token of web_identity_token_file, else of web_identity_token_process. Raises SessionError."""
    name = printable(step.profile)
    if step.token_file:
        source = f"web_identity_token_file of profile {name}"
        data = _read_file(Path(step.token_file), source)
    else:
        source = f"web_identity_token_process of profile {name}"
        data = run("web_identity_token_process", step.token_process or "")
    token = data.decode("ascii", "replace").strip()
    # 4 to 20,000 characters: STS API reference, AssumeRoleWithWebIdentity.
    if not (4 <= len(token) <= 20_000 and token.isascii() and token.isprintable()):
        raise SessionError(f"{source} gave no token: look at what it gives")
    return token


def mfa_code(step: StsCall, run: RunHelper) -> str:
    """What the shell command mfa_process prints, trimmed. Raises SessionError."""
    return run("mfa_process", step.mfa_process or "").decode("ascii", "replace").strip()


def _read_file(path: Path, source: str) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(OUTPUT_LIMIT)
    except OSError as error:
        raise SessionError(
            f"{source}: cannot read {printable(str(path))} ({error.strerror}): correct it"
        ) from error


def run_helper(helper: Helper, environment: Mapping[str, str], directory: str) -> bytes:
    """The stdout of a user's helper program, run in the folder and environment of the requesting command.

    credential_process is split like a shell's words and run without a shell, as the AWS CLI does it; the others
    are lines for `sh`. Raises SessionError, as `run` does.
    """
    source = f"{helper.kind} of profile {printable(helper.profile)}"
    given = environment_for_helper(environment, helper)
    command = _words(helper.command, source, given) if helper.kind == "credential_process" else helper.command
    return run(command, source, given, directory=directory, terminal=helper.kind == "mfa_process")


def _words(command: str, source: str, environment: Mapping[str, str]) -> list[str]:
    """The words of a command; in its program's name `~/` is the home."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise SessionError(f"{source} has unbalanced quotes: correct it in the AWS config file") from error
    if words and words[0].startswith("~/") and environment.get("HOME"):
        words[0] = environment["HOME"] + words[0][1:]
    return words


def run(
    command: str | Sequence[str],
    source: str,
    environment: Mapping[str, str],
    *,
    directory: str | None = None,
    terminal: bool = False,
    deadline: float = DEADLINE,
) -> bytes:
    """The stdout of `command`, a shell's line or a list of words. `terminal` lets it talk to a person
    there.

    Raises SessionError, with the last line of its stderr, when it fails, prints too much or takes longer than
    `deadline` seconds; then it is killed. It stays in our session and process group, as with the AWS CLI,
    so that it can use the terminal itself.
    """
    tty = _terminal() if terminal else None
    try:
        process = subprocess.Popen(
            command,
            shell=isinstance(command, str),
            cwd=directory,
            env=dict(environment),
            stdin=subprocess.DEVNULL if tty is None else tty,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if tty is None else tty,
        )
    except (OSError, ValueError, IndexError) as error:
        reason = one_line(str(error), ())
        raise SessionError(f"{source} cannot be started ({reason}): correct its command") from error
    finally:
        if tty is not None:
            os.close(tty)
    return _output(process, source, deadline)


def _terminal() -> int | None:
    try:
        return os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return None


def _output(process: subprocess.Popen[bytes], source: str, deadline: float) -> bytes:
    output, complaints = bytearray(), bytearray()
    try:
        status = _follow(process, output, complaints, time.monotonic() + deadline)
    except TimeoutError:
        raise SessionError(f"{source} did not end within {deadline:.0f} s: run it by hand") from None
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe:
                # Closed, so nothing more is read, even if a child left running still writes.
                pipe.close()
    if len(output) > OUTPUT_LIMIT:
        raise SessionError(f"{source} printed more than {OUTPUT_LIMIT} bytes: correct its command")
    if status != 0:
        lines = complaints.decode("utf-8", "replace").strip().splitlines()
        said = f": {one_line(lines[-1], ())}" if lines else ""
        raise SessionError(f"{source} failed with status {status}, run it by hand{said}")
    return bytes(output)


def _follow(
    process: subprocess.Popen[bytes], output: bytearray, complaints: bytearray, deadline: float
) -> int | None:
    """Reads what the process prints until it ends or prints too much; its status, None while it runs.

    A child left running may hold the pipes open forever, so it gets only a moment. Raises TimeoutError.
    """
    with selectors.DefaultSelector() as selector:
        for pipe, kept in ((process.stdout, output), (process.stderr, complaints)):
            if pipe:
                selector.register(pipe, selectors.EVENT_READ, kept)
        while selector.get_map():
            if process.poll() is not None:
                deadline = min(deadline, time.monotonic() + _LEFT_BEHIND_SECONDS)
            if time.monotonic() >= deadline:
                break
            for key, _ in selector.select(min(_LOOK_SECONDS, deadline - time.monotonic())):
                chunk = os.read(key.fd, 65536)
                key.data.extend(chunk)
                if not chunk:
                    selector.unregister(key.fileobj)
            if len(output) > OUTPUT_LIMIT:
                return None
            del complaints[:-_COMPLAINT_LIMIT]
    try:
        return process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise TimeoutError from None
