"""What the agent is asked, from its connections: it has the parts that they share. `server.Agent` adds its life."""

import os
import socket
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Set
from functools import partial
from typing import TYPE_CHECKING, Any

from shellvault import __version__
from shellvault.actors import Actor
from shellvault.agent import caller, holders
from shellvault.agent.approvals import Approvals
from shellvault.agent.caller import Caller, Callers
from shellvault.agent.job import JobRequest, Waiter, forms_with
from shellvault.agent.jobs import Jobs
from shellvault.agent.leases import Lease
from shellvault.agent.ledger import Ledger
from shellvault.agent.loop import Loop
from shellvault.agent.memory import Memory
from shellvault.agent.processes import Process
from shellvault.agent.restart import Release
from shellvault.fastlane import request
from shellvault.protocol import Message

if TYPE_CHECKING:
    from shellvault.agent.endpoint import Endpoint
    from shellvault.agent.watching import Watcher


class Operations(ABC):
    """The agent's parts around one loop, and what is asked of them."""

    def __init__(self, worker_command: tuple[str, ...], environment: Mapping[str, str]) -> None:
        """`worker_command` is that of a worker, without its last word."""
        self.loop = Loop()
        self.memory = Memory()
        self.callers = Callers(environment)
        self.approvals = Approvals(self.loop, self.callers.is_local)
        self.ledger = Ledger(self.loop, environment)
        self.jobs = Jobs(
            self.loop,
            self.memory,
            worker_command,
            environment,
            self._look_soon,
            self._obey,
            self.callers.may_ask,
        )
        self._watcher: Watcher | None = None
        self._endpoint: Endpoint | None = None

    @abstractmethod
    def closed(self, client: Any) -> None:
        """A connection (`clients.Client`) has ended."""

    @abstractmethod
    def retire(self) -> None:
        """Makes room for an agent of another version: finishes the jobs under way for their waiters.

        The socket stays under another name, so that `lock` and `stop` still reach an agent that holds sessions.
        """

    @abstractmethod
    def stop(self) -> None:
        """Leaves as soon as the last reply has been sent."""

    @abstractmethod
    def _begin_restart(self, profiles: list[str] | None, release: Release) -> None:
        """Becomes a fresh process, which answers the request; one that cannot is left for a new agent to replace."""

    @abstractmethod
    def _look_soon(self) -> None:
        """There is a session or a user more, and so perhaps something that is due earlier."""

    @abstractmethod
    def _obey(self, settings: Message, environment: Mapping[str, str]) -> None:
        """A worker with this environment has read settings; they count if they are a person's."""

    def remembered(
        self,
        line: str,
        form: str,
        pid: int | None,
        asking: Callable[[], Caller | None],
        said: Set[str] = frozenset(),
    ) -> str | None:
        """The text of a session in memory, if it will do; the shell with this pid uses it from now on."""
        text = self.memory.usable_text(line, form, time.time(), said)
        if text is not None:
            self.use(line, pid, asking() if pid is not None else None)
        return text

    def caller_of(self, line: str, connection: socket.socket) -> Caller:
        """The caller for a shell's session: the shell itself, with the place of the command that got it before."""
        seen, before = self.callers.seen(connection), self.memory.caller_of(line)
        return caller.with_network_of(before, seen) if before else seen

    def peek(self, line: str, form: str, pid: int | None, connection: socket.socket) -> tuple[str, str]:
        """Status and text for a caller that does not wait; a session that needs no person is then fetched for later."""
        now = time.time()
        is_refresh = form.startswith("refresh.")
        if is_refresh:
            self.use(line, pid)
            text = self.memory.newer_text(line, form, now)
        else:
            text = self.remembered(line, form, pid, partial(self.caller_of, line, connection))
        if text is not None:
            return "ok", text
        status = "needs-you" if self.memory.needs_person(line) else "wait"
        if not self.memory.may_try(line, now, is_attended=True):
            return status, ""
        entry = self.memory.entries.get(line)
        forms = forms_with(form) | frozenset(entry.texts() if entry else ())
        wanted = JobRequest(line, forms, renew=is_refresh, quiet=True)
        asking = (self.memory.caller_of(line) if is_refresh else None) or self.caller_of(line, connection)
        self.jobs.start(wanted, Waiter(ignore), asking)
        return status, ""

    def use(self, line: str, pid: int | None, asking: Caller | None = None) -> None:
        """A shell (None: no shell) now uses this session, and no other; `asking` got it for the shell."""
        self.memory.note_use(line)
        if pid is not None:
            self.memory.register(pid, line, asking)
            self._look_soon()

    def handed_out(
        self, line: str, form: str, pid: int | None, actor: Actor, reason: object, result: Message | None
    ) -> None:
        """A caller gets a session, `result` where it is not in memory: every door says so here, before it replies.

        A user of a lease is noted, so that the lease ends with the last one.
        """
        entry = self.memory.entries.get(line)
        if result:
            self.ledger.given(line, form, actor, result.get("about", {}), result["expires_at"], reason)
        elif entry:
            self.ledger.given(line, form, actor, entry.about, entry.expires_at, reason)
        kind = form.partition(".")[0]
        if entry is None or not entry.leases or (kind in ("env", "refresh") and pid is not None):
            return
        process = actor.chain[0] if kind == "exec" and actor.chain[0].pid else None
        self.memory.leases.handed_out(entry.leases, process, time.time())

    def _served(self, process: Process, line: str, key: str, why: str) -> None:
        """The endpoint has given a process the session that the memory has by this key, or refused it (`why`)."""
        actor = self.approvals.actor_of(process.pid)
        entry = self.memory.entries.get(key)
        if why:
            self.ledger.refused(line, "endpoint", actor, why)
        elif entry:
            self.ledger.given(line, "endpoint", actor, entry.about, entry.expires_at)

    def revoke(
        self,
        leases: list[Lease],
        waiter: Waiter | None,
        asking: Caller | None,
        then: Callable[[], None] | None = None,
    ) -> None:
        """Forgets the sessions on these leases, and has the worker end them; the waiter is asked for a token."""
        for lease in leases:
            lease.is_going = True
        self.memory.forget_leased(leases)

        def done(outcome: Message) -> None:
            self.memory.leases.note_end(outcome, leases)
            if then:
                then()

        # Not the waiter itself, which may have gone by then.
        self.jobs.revoke([lease.note for lease in leases], Waiter(done), waiter, asking)

    def leases_of(self, profiles: list[str] | None, pid: int | None) -> list[Lease]:
        """The leases of `profiles` (None: of all); with `pid` those of which this shell is the last user."""
        if pid is None:
            return self.memory.leases.of(profiles)
        use = self.memory.shells.pop(pid, None)
        return self.memory.leases.left_by(use.line, self._used_lines()) if use else []

    def _used_lines(self) -> set[str]:
        lines = self.memory.living_lines()
        return lines | self._endpoint.living_lines() if self._endpoint else lines

    def endpoint(self, pid: int, line: str, asking: Caller) -> dict[str, str]:
        """The variables by which one process reaches the container endpoint, started when first used."""
        if self._endpoint is None:
            self._endpoint = self._made_endpoint(None)
        return self._endpoint.open(pid, line, asking)

    def _made_endpoint(self, before: Message | None) -> "Endpoint":
        if sys.flags.no_site:
            # h11 is an installed package, which an interpreter started with -S does not look for.
            import site

            site.main()
        from shellvault.agent.endpoint import Endpoint

        return Endpoint(self.loop, self.memory, self.jobs, self.approvals.permits, self._served, before)

    def status(self) -> Message:
        """What `shellvault agent status` shows; nothing secret."""
        now = time.time()
        self._used_lines()
        users: dict[str, set[int]] = {}
        for pid, use in self.memory.shells.items():
            users.setdefault(use.line, set()).add(pid)
        for pid, line in self._endpoint.uses() if self._endpoint else ():
            users.setdefault(line, set()).add(pid)
        sessions = [
            {
                "profile": entry.profile,
                "expires_at": entry.expires_at,
                "needs_you": self.memory.needs_person(line),
                "users": sorted(users.get(line, ())),
            }
            for line, entry in self.memory.entries.items()
            if entry.expires_at > now
        ]
        return {
            "version": __version__,
            "pid": os.getpid(),
            "workers": self.jobs.pool.pids(),
            "worker_ready": self.jobs.pool.is_ready(),
            "jobs": len(self.jobs),
            "sessions": sessions,
            "holders": holders.all_of(self.memory, self.ledger, self._endpoint, now),
            "steps": self.memory.step_ends(now),
            "shells": sorted(self.memory.shells),
            "recent": [request.unescape(name) for name in self.memory.recent()],
            "before": {
                pid: [line for line in (use.line, use.before) if line]
                for pid, use in self.memory.shells.items()
            },
            "endpoint_users": sorted(self._endpoint.users()) if self._endpoint else [],
            "leases": self.memory.leases.troubles(),
            "lock_on": {"signs": self._watcher.signs, "problems": self._watcher.problems}
            if self._watcher
            else None,
            "unlocked": {path: kept["until"] for path, kept in self.memory.unlock_keys(now).items()},
        }

    def forget(self, profiles: list[str] | None, release: Release) -> None:
        """Forgets every session, those under way included, and the endpoints of `profiles` (None: of all)."""
        self.memory.forget_sessions()
        self._begin_restart(profiles, release)

    def lock(self, release: Release) -> None:
        """Forgets every session, every endpoint, and what unlocks a vault, in the worker too."""
        self.memory.lock()
        self.approvals.permits.void()
        self._begin_restart(None, release)


def ignore(outcome: Message) -> None:
    """For a job whose outcome is found in the memory."""
