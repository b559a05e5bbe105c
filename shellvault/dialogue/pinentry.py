"""Asking through pinentry, the dialog that GnuPG uses: the Assuan protocol (pinentry's manual, "Protocol")."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote_to_bytes

from shellvault.errors import SessionError

TERMINAL = "/dev/tty"


def ask(prompt: str, environment: Mapping[str, str], deadline: float) -> str:
    """What the person typed. Raises SessionError when the dialog was closed, or `deadline` seconds have passed."""
    try:
        done = subprocess.run(
            ["pinentry"],
            env=dict(environment),
            input="".join(f"{line}\n" for line in _commands(prompt, environment)).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=deadline,
        )
    except OSError as error:
        raise SessionError(f"pinentry cannot be started: {error.strerror}") from error
    except subprocess.TimeoutExpired:
        # Its output may hold the passphrase.
        raise SessionError("pinentry got no answer in time") from None
    answer = b"".join(line[2:] for line in done.stdout.splitlines() if line.startswith(b"D "))
    if not answer:
        raise SessionError("pinentry was closed without an answer")
    return unquote_to_bytes(answer).decode("utf-8", "replace")


def _commands(prompt: str, environment: Mapping[str, str]) -> Iterator[str]:
    if os.access(TERMINAL, os.W_OK) and Path(TERMINAL).is_char_device():
        yield f"OPTION ttyname={TERMINAL}"
        yield f"OPTION ttytype={_escaped(environment.get('TERM') or 'dumb')}"
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        if environment.get(name):
            yield f"OPTION lc-ctype={_escaped(environment[name])}"
            break
    yield "SETTITLE shellvault"
    yield f"SETDESC {_escaped(prompt)}"
    yield "SETPROMPT shellvault:"
    yield "GETPIN"
    yield "BYE"


def _escaped(text: str) -> str:
    """One line of Assuan: `%`, line breaks and other control characters as `%XX`."""
    return "".join(f"%{ord(char):02X}" if char == "%" or ord(char) < 32 else char for char in text)
