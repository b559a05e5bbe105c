"""A worker that makes sessions up, to test the agent's own behaviour without AWS and keyrings.

The profile's name says what it does: words separated by `-`, such as `life-20-ask` (see `perform`).
"""

import base64
import itertools
import json
import os
import random
import signal
import sys
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from shellvault import renewal
from shellvault.agent import memory
from shellvault.errors import NeedsPersonError, SessionError
from shellvault.fastlane import request
from shellvault.protocol import Message
from shellvault.sessions.model import Challenge, Helper
from shellvault.sessions.processes import run_helper
from shellvault.worker import main as worker

QUESTION = Challenge("mfa-code", "arn:mfa", "Enter MFA code for arn:mfa: ")


def note(fields: dict[str, str], what: str) -> None:
    """Leaves a line for the test to count."""
    with Path(fields["home"], "calls").open("a") as calls:
        calls.write(f"{what}\n")


def text(form: str, key: str, size: int) -> str:
    """A text that shows its form and its session."""
    if form == "container":
        return json.dumps({"form": form, "key": key})
    # Half of it is a token, the same in every form and not to be compressed.
    token = base64.b64encode(random.Random(key).randbytes(size * 3 // 8)).decode()
    return f"{form} {key} {token}{'if x; then y; fi; ' * (size // 36)}\n"


def is_due(session: Message) -> bool:
    """Whether the real worker would renew this session."""
    lead = renewal.lead(session["issued_at"], session["expires_at"])
    return bool(session["expires_at"] - time.time() <= lead * renewal.REACH)


def perform(job: Message, desk: worker.JobPrompter) -> Message:
    """A job whose profile is e.g. `life-60-ask`: `life-N` seconds, `wait-N` before, and the words below."""
    profile, fields = request.decode(job["request"])
    words = profile.split("-")
    values = {word: float(value) for word, value in itertools.pairwise(words) if value.isdigit()}
    name = memory.stamp(fields["config"])
    note(fields, "start")
    time.sleep(values.get("wait", 0))
    if "crash" in words:
        os.kill(os.getpid(), signal.SIGKILL)
    if "refused" in words:
        raise SessionError("AWS does not want to")
    if "bug" in words:
        raise ZeroDivisionError("a secret")
    if "signin" in words and not Path(fields["home"], "signed-in").exists():
        raise NeedsPersonError("sign in first")
    is_shared = job["is_local"] or "helper" not in words
    cached = None if job["fresh"] else desk.channel.load(profile)
    now = time.time()
    if (
        cached is None
        or cached["expires_at"] <= now
        or (job["renew"] and "ask" not in words and is_due(cached))
    ):
        if "tell" in words:
            desk.tell("one moment")
        if (
            "ask" in words
            and desk.ask(Challenge("mfa-code", "arn:mfa", "Enter MFA code for arn:mfa: ")) != "123456"
        ):
            raise SessionError("a wrong code")
        note(fields, "sts")
        now = time.time()
        token = base64.b64encode(os.urandom(750)).decode()
        cached = {
            "token": token,
            "issued_at": now,
            "expires_at": now + values.get("life", 3600),
            "key": f"ASIA{time.time_ns()}",
        }
        if is_shared:
            desk.channel.store(profile, cached)
    if "helper" in words:
        helper = Helper("credential_process", profile, "sh -c 'echo $PWD $ONLY_HERE >> ran && pwd'")
        here = partial(run_helper, environment=job["environment"], directory=job["directory"])
        output = (here if job["runs_helpers"] else desk.run_helper)(helper)
        note(fields, "helped:" + output.decode().strip())
    if "environment" in words:
        note(fields, f"proxy:{words[-1]}={os.environ.get('HTTPS_PROXY', '')}")
    if "unlock" in words:
        desk.channel.keep_unlock_key("/vault", b"key", 3600)
    key = cached["key"] + job["role_arn"].rpartition("/")[2]
    return {
        "profile": profile,
        "texts": {form: text(form, key, int(values.get("size", 0))) for form in job["forms"]},
        "files": {fields["config"]: name},
        "issued_at": cached["issued_at"],
        "expires_at": cached["expires_at"],
        "usable_until": cached["expires_at"] - min(300, values.get("life", 3600) / 6),
        "keep": "longterm" not in words and is_shared,
        "uses_environment": "helper" in words,
        "needs_person": "ask" in words,
    }


if __name__ == "__main__":
    worker.main(int(sys.argv[1]), perform)
