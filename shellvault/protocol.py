"""The protocol between the agent and its clients, which docs/protocol.md specifies.

One socket takes two formats; the first byte decides. A text request is one line that a shell can write, with a reply
that it can read. All else is one JSON object a line. The agent imports this module, so it stays small.
"""

import json
from typing import Any, NamedTuple

from shellvault import __version__
from shellvault.fastlane import request
from shellvault.fastlane.starting import WORKER_VARIABLES as WORKER_VARIABLES

#: Bytes of a text request and of one JSON message, the newline included; more costs the sender the
#: connection.
TEXT_LIMIT = 16 * 1024
JSON_LIMIT = 1024 * 1024

#: Characters of a version.
VERSION_LIMIT = 64

#: The version that a shell's own request has; a shell cannot check which process answers.
DIRECT = "-"

#: Seconds from the connection to the end of a whole request, and for the reader to take the reply.
REQUEST_DEADLINE = 5.0

#: Seconds between the agent's signs of life to a command that waits.
SIGN_OF_LIFE = 3.0

#: The shells, and those with a hook (`shells.SHELLS`, `shells.HOOKED`).
SHELLS = ("bash", "fish", "powershell", "sh", "zsh")
HOOKED = ("bash", "fish", "powershell", "zsh")
FORMATS = frozenset(
    [f"env.{shell}" for shell in SHELLS] + [f"refresh.{shell}" for shell in HOOKED] + ["exec", "json"]
)

#: The form in which the worker renders a session for the container endpoint; never sent elsewhere.
CONTAINER_FORM = "container"

#: In the environment of a command that has a VAULT_TOKEN: it stays there, and no other takes its place.
HAS_VAULT_TOKEN = "SHELLVAULT_HAS_VAULT_TOKEN"  # noqa: S105 - it says that there is one

#: A JSON object from outside: its values are not checked yet.
Message = dict[str, Any]


class TextRequest(NamedTuple):
    """`SV1 <version> <verb> <format> <pid> <key>`, parsed. `pid` is None for `-`."""

    version: str
    verb: str
    form: str
    pid: int | None
    key: str


def parse_text(line: bytes) -> TextRequest:
    """Parses a text request without its newline. Raises ValueError for anything else."""
    words = line.decode("ascii").split(" ", 5)
    if len(words) != 6 or words[0] != "SV1" or words[2] not in ("get", "peek") or words[3] not in FORMATS:
        raise ValueError("not a text request")
    if not words[5].isprintable():
        raise ValueError("not a request line")
    request.decode(words[5])
    return TextRequest(words[1], words[2], words[3], parse_pid(words[4]), words[5])


def parse_pid(word: str) -> int | None:
    """A process id from its decimal form, None for `-`. Raises ValueError for anything else."""
    if word == "-":
        return None
    if not (word.isascii() and word.isdigit() and len(word) <= 10 and int(word) > 0):
        raise ValueError("not a process id")
    return int(word)


def speaks_our_version(version: str) -> bool:
    """Whether the other side's version is ours, or DIRECT (a shell, which speaks to any).

    Raises ValueError for what is no version at all.
    """
    if not (version.isascii() and version.isprintable() and 0 < len(version) <= VERSION_LIMIT):
        raise ValueError("not a version")
    return version in (DIRECT, __version__)


def encode(message: Message) -> bytes:
    """One JSON message with its newline."""
    return json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"


def decode(line: bytes) -> Message:
    """The object of one JSON line. Raises ValueError for anything else, deep nesting included."""
    try:
        message = json.loads(line)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(message, dict):
        raise ValueError("not an object")
    return message


def text_reply(status: str, text: str = "") -> bytes:
    """The reply to a text request."""
    return f"{status}\n{text}".encode("utf-8", "surrogateescape")


def ended_by(operation: Message) -> list[str] | None:
    """The profiles whose container endpoints an operation on the vault ends; None: all."""
    if operation["do"] not in ("clear", "remove"):
        return []
    return None if operation["name"] is None else [operation["name"]]


class Lines:
    """Cuts a stream of bytes into lines of at most `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes, without their newlines. Raises ValueError past the limit."""
        # Only the new bytes are searched, so that a message in many small pieces costs no more than in one.
        if b"\n" not in data:
            self._rest += data
            lines = []
        else:
            *lines, rest = (bytes(self._rest) + data).split(b"\n")
            self._rest = bytearray(rest)
        if len(self._rest) >= self._limit or any(len(line) >= self._limit for line in lines):
            raise ValueError("a message is too long")
        return lines
