"""Sessions, and the questions asked to get one."""

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol, get_args

from shellvault.errors import SessionError
from shellvault.text import is_visible_ascii


@dataclass(frozen=True, slots=True)
class Lease:
    """Vault's name for credentials it has given, and whether they can be renewed or revoked."""

    id: str
    renewable: bool
    revocable: bool
    """Whether revoking it ends the credentials: those from AWS STS stay valid until they expire."""

    @classmethod
    def from_json(cls, data: object) -> "Lease | None":
        """Rebuilds what `Session.to_json` gave; None for anything else."""
        if not isinstance(data, dict) or not isinstance(data.get("id"), str):
            return None
        return cls(data["id"], data.get("renewable") is True, data.get("revocable") is True)


@dataclass(frozen=True, slots=True)
class Session:
    """AWS credentials. Long-term keys have neither token nor expiry. Times are epoch seconds."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(repr=False, default=None)
    issued_at: int = 0
    expires_at: int | None = None
    account_id: str | None = None
    """Their account, if known."""
    lease: Lease | None = None
    """The lease of credentials from Vault."""

    def remaining(self, now: float) -> float:
        """Seconds of life left at epoch `now`; infinite for keys that do not expire."""
        return float("inf") if self.expires_at is None else self.expires_at - now

    def to_json(self) -> dict[str, Any]:
        """The plain data that a cache keeps."""
        lease = {"lease": asdict(self.lease)} if self.lease else {}
        return {
            **lease,
            "access_key_id": self.access_key_id,
            "secret_access_key": self.secret_access_key,
            "session_token": self.session_token,
            "issued_at": self.issued_at,
            "expires_at": self.expires_at,
            "account_id": self.account_id,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Session":
        """Checks and rebuilds what `to_json` gave. Raises SessionError when it is anything else."""
        strings = [data.get("access_key_id"), data.get("secret_access_key")]
        token = data.get("session_token")
        expires_at, issued_at = data.get("expires_at"), data.get("issued_at")
        if (
            not all(is_visible_ascii(value) for value in strings)
            or not (token is None or is_visible_ascii(token))
            or not (expires_at is None or type(expires_at) is int)
            or type(issued_at) is not int
        ):
            raise SessionError("a cached session is damaged: run `shellvault clear`")
        account = data.get("account_id")
        is_account = isinstance(account, str) and re.fullmatch("[0-9]{12}", account)
        return cls(
            str(strings[0]),
            str(strings[1]),
            token,
            issued_at,
            expires_at,
            account if is_account else None,
            Lease.from_json(data.get("lease")),
        )


ChallengeKind = Literal[
    "mfa-code",
    "passphrase",
    "other-passphrase",
    "new-passphrase",
    "changed-passphrase",
    "confirm",
    "sign-in",
    "sign-in-code",
    "vault-token",
]


@dataclass(frozen=True, slots=True)
class Challenge:
    """One question that only a person (or a helper program) can answer."""

    kind: ChallengeKind
    """`other-passphrase`: of another tool's store, which no variable of ours answers.

    `changed-passphrase`: a new one for an existing file, which no variable answers.

    `sign-in`: answered in the browser alone (see `Prompter.invite`); `sign-in-code`: with what it shows there.

    `vault-token`: answered by the command itself, never by a person (see `vault_token`)."""
    subject: str
    """The MFA serial, the path of the encrypted file, what is signed in to (an sso-session, start URL or ARN), or the
    address of Vault."""
    prompt: str
    """The line to show, without a trailing newline, e.g. `Enter MFA code for arn:…: `."""
    hidden: bool = False
    link: str = field(repr=False, default="")
    """Where a person signs in."""
    code: str = ""
    """What the page there asks for, or shows for comparison, when the browser may be on another machine."""
    was_shown: bool = False
    """Whether another command has already shown it, and perhaps opened a browser."""

    def to_json(self) -> dict[str, Any]:
        """The plain data that the agent passes on."""
        shown = {"kind": self.kind, "subject": self.subject, "prompt": self.prompt, "hidden": self.hidden}
        if not self.link:
            return shown
        return {**shown, "link": self.link, "code": self.code, "was_shown": self.was_shown}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Challenge":
        """Rebuilds what `to_json` gave. Raises KeyError for anything else."""
        shown = (data["kind"], data["subject"], data["prompt"], data["hidden"])
        return cls(*shown, str(data.get("link", "")), str(data.get("code", "")), bool(data.get("was_shown")))


HelperKind = Literal["credential_process", "mfa_process", "web_identity_token_process"]


@dataclass(frozen=True, slots=True)
class Helper:
    """A user's program that a session needs, and its input (see `processes.run_helper`)."""

    kind: HelperKind
    """The setting that names it."""
    profile: str
    command: str = field(repr=False)
    region: str | None = None
    """That of its profile."""
    resolving: tuple[str, ...] = ()
    """The profiles whose sessions wait for it."""

    def to_json(self) -> dict[str, Any]:
        """The plain data that the agent passes on."""
        return {
            "kind": self.kind,
            "profile": self.profile,
            "command": self.command,
            "region": self.region,
            "resolving": list(self.resolving),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Helper":
        """Checks and rebuilds what `to_json` gave. Raises ValueError when it is anything else."""
        kind, region, resolving = data["kind"], data["region"], data["resolving"]
        words = (data["profile"], data["command"], *resolving)
        if kind not in get_args(HelperKind) or not all(isinstance(word, str) for word in words):
            raise ValueError("not a helper program")
        if not isinstance(region, str | None) or not isinstance(resolving, list):
            raise ValueError("not a helper program")
        return cls(kind, data["profile"], data["command"], region, tuple(resolving))


class WithdrawnError(Exception):
    """A question has been answered elsewhere, or is asked elsewhere now."""


class Prompter(Protocol):
    """What can ask a person questions."""

    def ask(self, challenge: Challenge, withdrawn: int | None = None) -> str:
        """Returns the answer. Raises NeedsPersonError when no person can be asked.

        Raises WithdrawnError as soon as there is something to read from the descriptor `withdrawn`: the question has
        been answered elsewhere.
        """

    def invite(self, challenge: Challenge) -> AbstractContextManager[Callable[[], bool]]:
        """Shows a person where to sign in, for a block that waits for the sign-in.

        Yields a check that a command still waits. Raises NeedsPersonError when no person can be asked.
        """

    def tell(self, message: str) -> None:
        """Shows one line of progress; never needs an answer."""

    def wait_for_enter(self, other: int, seconds: float) -> bool | None:
        """Waits until the person presses Enter (True), or for something to read from the descriptor `other`.

        False after so many seconds, or when there is something to read. None: no person can press it.
        """
        return None
