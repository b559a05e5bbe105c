"""Leases of Vault's that sessions are on: who uses them, and when nobody does any more. Times are epoch seconds."""

from collections.abc import Collection, Iterable

from shellvault.agent import processes
from shellvault.agent.processes import Process
from shellvault.protocol import Message

#: Seconds without a user after which a lease is revoked, where nobody has said that it is over (`leave`). The keys of
#: an IAM user are good some seconds after they were made, so that every command with new ones would be slow.
LINGER = 15 * 60


class Lease:
    """One lease; `note` is what the worker needs to revoke it (docs/protocol.md)."""

    __slots__ = ("is_elsewhere", "is_going", "lines", "note", "processes", "trouble", "used_at")

    def __init__(self, note: Message, now: float) -> None:
        self.note = note
        self.lines: set[str] = set()
        """The request lines whose sessions are on it."""
        self.processes: set[Process] = set()
        """The programs that were started with it."""
        self.is_elsewhere = False
        """Whether somebody has it whose end we do not see: a program with its credential_process, a container."""
        self.used_at = now
        self.is_going = False
        """Whether it is being revoked."""
        self.trouble = ""
        """Why it could not be revoked."""

    def can_go(self) -> bool:
        """Whether there is something to revoke, and nobody has tried that yet."""
        return bool(self.note["revocable"]) and not self.is_going and not self.trouble

    def has_users(self, living_lines: Collection[str]) -> bool:
        """Whether somebody has it that we know to live."""
        self.processes = {process for process in self.processes if processes.is_alive(process)}
        return self.is_elsewhere or bool(self.processes) or not self.lines.isdisjoint(living_lines)


class Leases:
    """All leases that are not over."""

    def __init__(self) -> None:
        self._leases: dict[str, Lease] = {}

    def __bool__(self) -> bool:
        """Whether there is one to be revoked some day."""
        return any(lease.can_go() for lease in self._leases.values())

    def hold(self, notes: Iterable[Message], line: str, now: float) -> None:
        """Remembers what the session of a request line is on."""
        for note in notes:
            lease = self._leases.setdefault(note["id"], Lease(note, now))
            # Renewed, perhaps for somebody with another token.
            lease.note = note
            lease.lines.add(line)

    def handed_out(self, ids: Iterable[str], process: Process | None, now: float) -> None:
        """Somebody has got a session on these: `process`, or who cannot be seen."""
        for lease in filter(None, map(self._leases.get, ids)):
            lease.used_at = now
            if process is None:
                lease.is_elsewhere = True
            else:
                lease.processes.add(process)

    def unused(self, living_lines: Collection[str], now: float) -> list[Lease]:
        """Those that nobody has used for LINGER."""
        for lease in self._leases.values():
            if lease.has_users(living_lines):
                lease.used_at = now
        return [lease for lease in self._leases.values() if lease.can_go() and now - lease.used_at >= LINGER]

    def left_by(self, line: str, living_lines: Collection[str]) -> list[Lease]:
        """Those of a line that a shell has left, and that nobody else has."""
        return [lease for lease in self.without_users(living_lines) if line in lease.lines]

    def without_users(self, living_lines: Collection[str]) -> list[Lease]:
        """Those that nobody has, however long ago that was."""
        return [
            lease for lease in self._leases.values() if lease.can_go() and not lease.has_users(living_lines)
        ]

    def of(self, profiles: Collection[str] | None) -> list[Lease]:
        """Those of these profiles (None: all), whoever has them."""
        return [
            lease
            for lease in self._leases.values()
            if not lease.is_going and (profiles is None or lease.note["profile"] in profiles)
        ]

    def over(self, outcome: Message, tried: Iterable[Lease]) -> None:
        """Forgets those that the worker has revoked, and remembers why it could not revoke the others."""
        result = outcome.get("result", {})
        why = {kept["id"]: kept["why"] for kept in result.get("kept", ())}
        for lease in tried:
            lease.is_going = False
            if lease.note["id"] in result.get("revoked", ()):
                self._leases.pop(lease.note["id"], None)
            else:
                lease.trouble = why.get(lease.note["id"], "the agent's worker did not get that far")

    def expire(self, now: float) -> None:
        """Forgets what has ended by itself."""
        self._leases = {name: lease for name, lease in self._leases.items() if lease.note["expires_at"] > now}

    def lose_sight(self) -> None:
        """The shells are forgotten: whoever has them is not seen any more."""
        for lease in self._leases.values():
            lease.is_elsewhere = True

    def troubles(self) -> list[Message]:
        """Those that could not be revoked, for a person."""
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
        """What outlives the sessions (see `afresh`)."""
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
