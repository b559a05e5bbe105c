"""What the agent remembers: sessions by request line and by fingerprint, shells that use them, unlock keys.

Times are epoch seconds: a session ends by the wall clock. Nothing here does I/O but `stat` and /proc
look-ups.
"""

import json
import os
import zlib
from collections.abc import Callable, Set
from sys import intern
from typing import NamedTuple

from shellvault import marks, renewal
from shellvault.agent import processes
from shellvault.agent.caller import Caller
from shellvault.agent.leases import Lease, Leases
from shellvault.agent.processes import Process
from shellvault.files import Stamp, stamp
from shellvault.protocol import Message

#: Bytes of a shell's secret; the hooks check that theirs has twice as many digits.
SECRET_BYTES = 16


#: How many profiles are remembered as used lately.
RECENT = 50


def pack(message: Message) -> bytes:
    """Compressed JSON: a thousand sessions, each in several forms, have to fit into a few MiB."""
    return zlib.compress(json.dumps(message).encode("ascii"), 1)


def unpack(packed: bytes) -> Message:
    """The reverse of `pack`."""
    message: Message = json.loads(zlib.decompress(packed))
    return message


class Entry:
    """The session of one request line, as the texts that were asked for; they are the secret part."""

    __slots__ = (
        "_texts",
        "about",
        "expires_at",
        "files",
        "issued_at",
        "jitter",
        "leases",
        "needs_you_at",
        "packed_caller",
        "profile",
        "usable_until",
        "wants",
    )

    def __init__(self, result: Message, caller: Caller | None) -> None:
        self.profile: str = intern(result["profile"])
        self.issued_at: float = result["issued_at"]
        self.expires_at: float = result["expires_at"]
        self.usable_until: float = result["usable_until"]
        # The same few texts come with every session: each is kept once.
        self.needs_you_at: float | None = result.get("needs_you_at")
        """When what it was made with ends, which takes a person."""
        self.files: dict[str, Stamp] = {intern(path): found for path, found in result["files"].items()}
        self.leases: tuple[str, ...] = tuple(note["id"] for note in result.get("leases", ()))
        """The ids of the leases that it is on."""
        self.about = {intern(name): intern(value) for name, value in result.get("about", {}).items()}
        """Facts about it that may be shown (sessions.about)."""
        self.wants = frozenset(result.get("wants", ()))
        """What a command must bring along (of request.SAID)."""
        self.packed_caller = pack({"caller": caller})
        self.jitter = os.urandom(1)[0] / 255
        self._texts = pack(result["texts"])

    @property
    def caller(self) -> Caller | None:
        """The caller for which it was got, and is renewed."""
        found = unpack(self.packed_caller)["caller"]
        return Caller(*found) if found else None

    def texts(self) -> dict[str, str]:
        """Every text that is kept, by its form."""
        return unpack(self._texts)

    def keep_older_texts(self, older: "Entry") -> None:
        """Takes over the forms that an earlier answer with the same session had and this one lacks."""
        if (older.issued_at, older.expires_at) == (self.issued_at, self.expires_at):
            self._texts = pack(older.texts() | self.texts())

    def is_current(self) -> bool:
        """Whether the files that decided this session are as they were."""
        return all(stamp(path) == before for path, before in self.files.items())

    def is_fresh(self, now: float) -> bool:
        """Whether a shell with this session need not ask for another yet."""
        return now < self.expires_at - renewal.lead(self.issued_at, self.expires_at)

    def due_at(self) -> float:
        """When the agent should renew."""
        return renewal.due_at(self.issued_at, self.expires_at, self.jitter)


#: Seconds after which a prompt or an SDK may retry a session that needs a person.
ATTENDED = 10.0


class Trouble:
    """Why a session failed without a person, and when it may be tried again."""

    __slots__ = ("failures", "message", "needs_you", "retry_at", "tried_at")

    def __init__(self, before: "Trouble | None", now: float, message: str, *, needs_you: bool) -> None:
        self.failures: int = before.failures + 1 if before else 1
        self.tried_at = now
        self.retry_at = now + renewal.backoff(self.failures)
        self.message = message
        self.needs_you = needs_you


def _before(known: "Use", line: str) -> str:
    return known.before if marks.profile_of(known.line) == marks.profile_of(line) else known.line


class Use(NamedTuple):
    """A shell, the request line of its session, and the secret that shows it that a direct reply is ours."""

    process: Process
    line: str
    secret: str
    before: str = ""
    """The line that it used before, for another profile."""
    packed_caller: bytes = b""
    """The command for which its session is renewed; empty where that is not known."""


class Memory:
    """Everything the agent holds."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.troubles: dict[str, Trouble] = {}
        self.shells: dict[int, Use] = {}
        self._callers: dict[bytes, bytes] = {}
        self._recent: dict[str, None] = {}
        self._steps: dict[str, tuple[float, bytes]] = {}
        self._unlock_keys: dict[str, Message] = {}
        self.leases = Leases()

    def put(self, line: str, entry: Entry) -> None:
        """Keeps the session of a request line in place of an earlier one."""
        # One copy for all that came from the same place.
        entry.packed_caller = self._callers.setdefault(entry.packed_caller, entry.packed_caller)
        older = self.entries.get(line)
        if older:
            entry.keep_older_texts(older)
        self.entries[line] = entry

    def usable_text(self, line: str, form: str, now: float, said: Set[str] = frozenset()) -> str | None:
        """The text of a session with enough life left, if its files are unchanged.

        `said` is what the command brings along, of request.SAID.
        """
        entry = self.entries.get(line)
        if entry is None or now >= entry.usable_until or not entry.is_current():
            return None
        if not entry.wants <= said:
            return None
        return entry.texts().get(form)

    def newer_text(self, line: str, form: str, now: float) -> str | None:
        """The text of a session that is not due, for a shell whose own one is."""
        entry = self.entries.get(line)
        return entry.texts().get(form) if entry and entry.is_fresh(now) and entry.is_current() else None

    def store_step(self, fingerprint: str, session: Message) -> None:
        """Keeps the session of one step of a plan."""
        self._steps[fingerprint] = (session["expires_at"], pack(session))

    def load_step(self, fingerprint: str, now: float) -> Message | None:
        """The session of one step, None when there is none alive."""
        expires_at, packed = self._steps.get(fingerprint, (0.0, b""))
        return unpack(packed) if expires_at > now else None

    def step_ends(self, now: float) -> dict[str, float]:
        """When the living sessions of single steps end, by fingerprint."""
        return {found: expires_at for found, (expires_at, *_) in self._steps.items() if expires_at > now}

    def note_use(self, line: str) -> None:
        """Remembers that a session of this line's profile was just used."""
        name = marks.profile_of(line)
        self._recent.pop(name, None)
        self._recent[name] = None
        while len(self._recent) > RECENT:
            del self._recent[next(iter(self._recent))]

    def recent(self) -> list[str]:
        """The profiles that were used lately, the last one first."""
        return list(reversed(self._recent))

    def register(self, pid: int, line: str, caller: Caller | None = None) -> None:
        """Remembers that a shell now uses the session of this line, and no other.

        `caller` is the command that got it for the shell, if known.
        """
        try:
            process = processes.find(pid)
        except OSError:
            return
        if process:
            known = self.shells.get(pid)
            is_same = known is not None and known.process == process
            if known is None or not is_same:
                known = Use(process, line, os.urandom(SECRET_BYTES).hex())
            packed = pack({"caller": caller}) if caller else known.packed_caller
            packed = self._callers.setdefault(packed, packed)
            self.shells[pid] = Use(process, line, known.secret, _before(known, line), packed)

    def secret(self, pid: int | None) -> str | None:
        """The secret of the living shell with this pid; None when it has none."""
        use = self.shells.get(pid) if pid is not None else None
        return use.secret if use and processes.is_alive(use.process) else None

    def reason_of(self, pid: int | None, line: str) -> str:
        """The reason with which a shell got its session, if `line` is for the same profile; "" without one."""
        use = self.shells.get(pid) if pid is not None else None
        is_same = use is not None and marks.profile_of(use.line) == marks.profile_of(line)
        return marks.field_of(use.line, "reason") if use and is_same else ""

    def caller_of(self, line: str) -> Caller | None:
        """The command that got this line's session for a shell that uses it, else the last that got it."""
        packed = [use.packed_caller for use in self.shells.values() if use.line == line and use.packed_caller]
        if packed:
            return Caller(*unpack(packed[-1])["caller"])
        entry = self.entries.get(line)
        return entry.caller if entry else None

    def living_lines(self) -> set[str]:
        """The lines that living shells use; shells that have ended are forgotten."""
        self.shells = {pid: use for pid, use in self.shells.items() if processes.is_alive(use.process)}
        return {use.line for use in self.shells.values()}

    def may_try(self, line: str, now: float, *, is_attended: bool = False) -> bool:
        """Whether getting this session without a person is worth trying now.

        It is tried more often where a prompt or a program asks (`is_attended`): a person may just have signed in
        elsewhere.
        """
        trouble = self.troubles.get(line)
        if trouble is None or trouble.retry_at <= now:
            return True
        return is_attended and trouble.needs_you and trouble.tried_at + ATTENDED <= now

    def needs_person(self, line: str) -> bool:
        """Whether the last try to get this session failed because it needs a person."""
        trouble = self.troubles.get(line)
        return trouble is not None and trouble.needs_you

    def note_failure(self, line: str, now: float, message: str, *, needs_you: bool) -> None:
        """Remembers that this session failed without a person."""
        self.troubles[line] = Trouble(self.troubles.get(line), now, message, needs_you=needs_you)

    def person_was_here(self) -> None:
        """A person has answered a question: sessions that needed one may be tried again."""
        self.troubles = {line: trouble for line, trouble in self.troubles.items() if not trouble.needs_you}

    def unlock(self, keys: dict[str, Message]) -> None:
        """Keeps what unlocks a vault, by the vault's path, until the time that comes with it."""
        self._unlock_keys.update(keys)

    def unlock_keys(self, now: float) -> dict[str, Message]:
        """What still unlocks a vault, by the vault's path."""
        self._unlock_keys = {path: kept for path, kept in self._unlock_keys.items() if kept["until"] > now}
        return self._unlock_keys

    def expire(self, now: float, used: set[str]) -> None:
        """Forgets what has ended. The entry of a line in use stays, for its renewal."""
        self.entries = {
            line: kept for line, kept in self.entries.items() if kept.expires_at > now or line in used
        }
        kept_callers = [entry.packed_caller for entry in self.entries.values()]
        kept_callers += [use.packed_caller for use in self.shells.values()]
        self._callers = {packed: packed for packed in kept_callers}
        self.troubles = {
            line: kept for line, kept in self.troubles.items() if kept.retry_at > now or line in used
        }
        self._steps = {name: kept for name, kept in self._steps.items() if kept[0] > now}
        self.leases.expire(now)
        self.unlock_keys(now)

    def forget_leased(self, leases: list[Lease]) -> None:
        """Forgets the sessions on these leases: they are about to end."""
        ids = {lease.note["id"] for lease in leases}
        self.entries = {line: kept for line, kept in self.entries.items() if ids.isdisjoint(kept.leases)}
        for lease in leases:
            self._steps.pop(lease.note["fingerprint"], None)

    def forget_lines(self, ended: Callable[[str], bool]) -> None:
        """Forgets the sessions of the lines that have `ended`, and the shells that use them."""
        self.entries = {line: kept for line, kept in self.entries.items() if not ended(line)}
        self.shells = {pid: use for pid, use in self.shells.items() if not ended(use.line)}

    def forget_sessions(self) -> None:
        """Forgets every session and every failure; shells stay registered and may ask again."""
        self.entries.clear()
        self._callers.clear()
        self.troubles.clear()
        self._steps.clear()

    def lock(self) -> None:
        """Forgets every session, every shell, and what unlocks a vault."""
        self.forget_sessions()
        self.shells.clear()
        self.leases.lose_sight()
        self._unlock_keys.clear()

    def state(self) -> Message:
        """The state for a fresh agent (see `restart`): the registered shells, and what unlocks a vault."""
        shells = [
            [list(use.process), *use[1:4], use.packed_caller.decode("latin-1")]
            for use in self.shells.values()
        ]
        return {
            "shells": shells,
            "unlock_keys": self._unlock_keys,
            "recent": list(self._recent),
            "leases": self.leases.state(),
        }

    def restore(self, state: Message) -> None:
        """Takes back what `state` gave."""
        for process, line, secret, before, packed in state["shells"]:
            found = Use(Process(*process), line, secret, before, packed.encode("latin-1"))
            self.shells[found.process.pid] = found
        self._recent = dict.fromkeys(state["recent"])
        self._unlock_keys = state["unlock_keys"]
        self.leases.restore(state.get("leases", ()))

    def is_empty(self) -> bool:
        """Whether nothing is held, so that the agent may end."""
        return not (self.entries or self._steps or self._unlock_keys or self.shells or self.leases)
