"""The Vault leases of sessions: their users, and when the last one has gone. Times are epoch seconds."""

from collections.abc import Collection, Iterable

from shellvault.agent import processes
from shellvault.agent.processes import Process
from shellvault.protocol import Message

#: Seconds without a user after which a lease is revoked, unless `leave` ends it earlier. A new IAM user's keys work
#: only after some seconds, so new ones for each command would be slow.
UNUSED_FOR = 15 * 60


class Lease:
    """One lease; with `note` the worker can revoke it (docs/protocol.md)."""

    __slots__ = ("is_elsewhere", "is_going", "lines", "note", "processes", "trouble", "used_at")

    def __init__(self, note: Message, now: float) -> None:
        self.note = note
        self.lines: set[str] = set()
        """The request lines whose sessions are on it."""
        self.processes: set[Process] = set()
        """The programs that were started with it."""
        self.is_elsewhere = False
        """Whether it has a user whose end we cannot see: a program with credential_process, a container."""
        self.used_at = now
        self.is_going = False
        """Whether it is being revoked."""
        self.trouble = ""
        """Why it could not be revoked."""

    def can_go(self) -> bool:
        """Whether it can be revoked and that has not been tried yet."""
        return bool(self.note["revocable"]) and not self.is_going and not self.trouble

    def has_users(self, living_lines: Collection[str]) -> bool:
        """Whether it has a user that is known to live."""
        self.processes = {process for process in self.processes if processes.is_alive(process)}
        return self.is_elsewhere or bool(self.processes) or not self.lines.isdisjoint(living_lines)


class Leases:
    """All leases that are not over."""

    def __init__(self) -> None:
        self._leases: dict[str, Lease] = {}

    def __bool__(self) -> bool:
        """Whether a lease is left that can be revoked."""
        return any(lease.can_go() for lease in self._leases.values())

    def hold(self, notes: Iterable[Message], line: str, now: float) -> None:
        """Remembers the leases of a request line's session."""
        for note in notes:
            lease = self._leases.setdefault(note["id"], Lease(note, now))
            # A renewal may have come with another token.
            lease.note = note
            lease.lines.add(line)

    def handed_out(self, ids: Iterable[str], process: Process | None, now: float) -> None:
        """A user has got a session on these: `process`, or one that cannot be seen (None)."""
        for lease in filter(None, map(self._leases.get, ids)):
            lease.used_at = now
            if process is None:
                lease.is_elsewhere = True
            else:
                lease.processes.add(process)

    def unused(self, living_lines: Collection[str], now: float) -> list[Lease]:
        """The leases without a user for UNUSED_FOR."""
        for lease in self._leases.values():
            if lease.has_users(living_lines):
                lease.used_at = now
        return [
            lease for lease in self._leases.values() if lease.can_go() and now - lease.used_at >= UNUSED_FOR
        ]

    def left_by(self, line: str, living_lines: Collection[str]) -> list[Lease]:
        """The leases without users of a line that a shell has left."""
        return [lease for lease in self.without_users(living_lines) if line in lease.lines]

    def without_users(self, living_lines: Collection[str]) -> list[Lease]:
        """The leases without users, for any time."""
        return [
            lease for lease in self._leases.values() if lease.can_go() and not lease.has_users(living_lines)
        ]

    def of(self, profiles: Collection[str] | None) -> list[Lease]:
        """The leases of these profiles (None: all), with or without users."""
        return [
            lease
            for lease in self._leases.values()
            if not lease.is_going and (profiles is None or lease.note["profile"] in profiles)
        ]

    def note_end(self, outcome: Message, tried: Iterable[Lease]) -> None:
        """Forgets the revoked leases, and remembers why the others could not be revoked."""
        result = outcome.get("result", {})
        why = {kept["id"]: kept["why"] for kept in result.get("kept", ())}
        for lease in tried:
            lease.is_going = False
            if lease.note["id"] in result.get("revoked", ()):
                self._leases.pop(lease.note["id"], None)
            else:
                lease.trouble = why.get(lease.note["id"], "the agent's worker did not get that far")

    def expire(self, now: float) -> None:
        """Forgets the leases that have expired."""
        self._leases = {name: lease for name, lease in self._leases.items() if lease.note["expires_at"] > now}

    def lose_sight(self) -> None:
        """The shells are forgotten, so the users of the leases cannot be seen any more."""
        for lease in self._leases.values():
            lease.is_elsewhere = True

    def troubles(self) -> list[Message]:
        """The leases that could not be revoked, to show to a person."""
        return [
            {
                "profile": lease.note["profile"],
                "expires_at": lease.note["expires_at"],
                "why": lease.trouble,
            }
            for lease in self._leases.values()
            if lease.trouble
        ]

    def state(self) -> list[Message]:
        """The state for a fresh agent (see `restart`)."""
        return [
            {
                "note": lease.note,
                "lines": sorted(lease.lines),
                "processes": [list(process) for process in lease.processes],
                "is_elsewhere": lease.is_elsewhere,
                "used_at": lease.used_at,
                "trouble": lease.trouble,
            }
            for lease in self._leases.values()
        ]

    def restore(self, state: Iterable[Message]) -> None:
        """Takes back what `state` gave."""
        for kept in state:
            lease = self._leases[kept["note"]["id"]] = Lease(kept["note"], kept["used_at"])
            lease.lines = set(kept["lines"])
            lease.processes = {Process(*process) for process in kept["processes"]}
            lease.is_elsewhere, lease.trouble = kept["is_elsewhere"], kept["trouble"]
