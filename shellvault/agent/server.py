"""The agent: one process per user. It remembers sessions, renews them for the shells and commands that use them,
and never prompts.

It holds no long-term keys: only the worker has them, for one step (see `worker`).
"""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Set
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from shellvault import __version__, hardening, locks
from shellvault.actors import Actor
from shellvault.agent import caller, holders, restart, workers
from shellvault.agent.approvals import Approvals
from shellvault.agent.caller import Caller, Callers
from shellvault.agent.clients import Client
from shellvault.agent.job import JobRequest, Waiter, forms_with
from shellvault.agent.jobs import Jobs
from shellvault.agent.leases import Lease
from shellvault.agent.ledger import Ledger
from shellvault.agent.loop import Loop, Stream
from shellvault.agent.memory import Memory
from shellvault.agent.processes import Process
from shellvault.agent.restart import Release
from shellvault.display import printable
from shellvault.fastlane import request
from shellvault.protocol import REQUEST_DEADLINE, Message

if TYPE_CHECKING:
    from shellvault.agent.endpoint import Endpoint
    from shellvault.agent.watching import Watcher

SOCKET, LOCK = "agent.sock", "agent.lock"

#: Connections served at once; more wait in the kernel's queue. RESERVE is for worker and endpoint.
CONNECTIONS = 2048
RESERVE = 320
BACKLOG = 1024

#: Seconds between two looks around: at most (a suspend stops the monotonic clock, not the wall clock) and
#: at least.
LOOK_AROUND, LOOK_AROUND_SOON = 10.0, 0.2

#: Seconds before a person is needed at which that is said, as the prompts do.
SOON = 600.0

#: Seconds without accepting after accepting has failed.
ACCEPT_PAUSE = 0.1

#: Seconds that its end may wait for leases to be revoked.
REVOKING = 8.0

#: Seconds without anything to hold or anybody to serve after which the agent leaves.
IDLE = 600.0


class Agent:
    """The agent's parts around one loop."""

    def __init__(
        self,
        folder: Path,
        worker_command: tuple[str, ...],
        environment: Mapping[str, str],
        fresh_command: tuple[str, ...] = (),
        watcher_command: tuple[str, ...] = (),
    ) -> None:
        """`fresh_command` is what this process becomes to forget (see `restart`), without its last word.

        `watcher_command` is that of a watcher, without its arguments.
        """
        self.loop = Loop()
        self._environment = environment
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
        self._fresh_command = fresh_command
        self._watcher_command = watcher_command
        self._watcher: Watcher | None = None
        self._folder = folder
        self._path = folder / SOCKET
        self._lock: int | None = None
        self._listener: socket.socket | None = None
        self._socket_file: os.stat_result | None = None
        self._limit = max(16, min(CONNECTIONS, hardening.raise_descriptor_limit(CONNECTIONS * 2) - RESERVE))
        self._clients: set[Client] = set()
        self._endpoint: Endpoint | None = None
        self._idle_since = time.monotonic()
        self._next_look = self.loop.later(0, self._look_around)
        self._next_look_at = 0.0
        self._is_ending = False
        self._has_notices = False
        """Whether the settings want notices on the desktop."""
        self._noticed: dict[str, float] = {}
        """What was said of profiles: when they need a person."""

    # Its life.

    def run(
        self,
        ready: Callable[[], None],
        worker: tuple[int, int, dict[str, str]] | None = None,
        starter: int | None = None,
    ) -> None:
        """Serves until nothing is left to do. Returns at once when another agent of this user serves already.

        `ready` is called as soon as connections are accepted. `worker` is one that has been started already: its
        number, our end of its socket and its environment. `starter` is the process that started this one: unless it is
        a coding agent, our environment counts as a person's. Raises AgentError when the folder is not private,
        OSError when the socket cannot be made.
        """
        hardening.check_folder(self._folder)
        self._lock = locks.open_lock(self._folder / LOCK)
        # Held for life.
        if not locks.is_locked_now(self._lock):
            os.close(self._lock)
            return
        if starter is None or self.approvals.actor_of(starter).kind != "coding-agent":
            self.approvals.said.note(self._environment, "/")
        if worker:
            pid, descriptor, environment = worker
            self.jobs.adopt(
                {"pid": pid, "descriptor": descriptor, "environment": environment, "is_ready": False}
            )
        self._path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._listener.bind(str(self._path))
        self._path.chmod(0o600)
        self._socket_file = self._path.lstat()
        self._listener.listen(BACKLOG)
        ready()
        self._serve()

    def go_on(self, state: Message) -> None:
        """Serves in the place of the agent that this process was before. Raises whatever a wrong state raises."""
        self._lock = state["lock"]["descriptor"] if state["lock"] else None
        self._path = Path(state["path"])
        self._listener = restart.socket_of(state["listener"])
        self._listener.setblocking(False)
        self._socket_file = self._path.lstat()
        self.memory.restore(state["memory"])
        self.callers.restore(state["callers"])
        self.approvals.restore(state["approvals"])
        self.ledger.restore(state["ledger"])
        workers.reap(self.loop, state["children"])
        if state["worker"]:
            self.jobs.adopt(state["worker"])
        if state["watcher"]:
            from shellvault.agent import watching

            self._watcher = watching.adopted(
                self.loop, state["watcher"], self._lock_by_desktop, self._watcher_ended
            )
        if state["endpoint"]:
            self._endpoint = self._made_endpoint(state["endpoint"])
        reply = Stream(self.loop, restart.socket_of(state["reply"]), lambda data: None, lambda: None)
        reply.send(state["reply"]["text"].encode("latin-1"))
        reply.finish(REQUEST_DEADLINE)
        self._serve()

    def _serve(self) -> None:
        self._accept_again()
        try:
            self.loop.run()
        except SystemExit:
            # A signal: what Vault can take back is, within a deadline; the next signal ends it at once.
            self._end([lease for lease in self.memory.leases.of(None) if lease.can_go()])
            self.loop.run()
            raise
        finally:
            self._leave()

    def _end(self, leases: list[Lease]) -> None:
        """Leaves as soon as these have been revoked, or that has taken too long."""
        if self._is_ending:
            return
        self._is_ending = True
        self.loop.later(REVOKING if leases else 0, self.loop.stop)
        if leases:
            self.revoke(leases, None, None, self.loop.stop)

    def stop(self) -> None:
        """Leaves as soon as the last reply has been sent."""
        self._stop_listening()
        self.loop.later(0, self.loop.stop)

    def retire(self) -> None:
        """Makes room for an agent of another version: finishes the jobs under way for their waiters.

        The socket stays under another name, so that `lock` and `stop` still reach an agent that holds sessions.
        """
        if self._lock is None or not self._has_socket_file():
            return
        aside = self._folder / f"old-{os.getpid()}.sock"
        self._path.rename(aside)
        self._path = aside
        os.close(self._lock)
        self._lock = None
        self._look_soon()

    def closed(self, client: Client) -> None:
        """A connection has ended."""
        self._clients.discard(client)
        if len(self._clients) == self._limit - 1:
            self._accept_again()

    def _accept(self) -> None:
        while self._listener and len(self._clients) < self._limit:
            try:
                connection, _ = self._listener.accept()
                is_ours = hardening.peer_uid(connection) == os.getuid()
            except BlockingIOError:
                return
            except OSError:
                # Out of files, or the other side has gone already.
                self.loop.unwatch(self._listener)
                self.loop.later(ACCEPT_PAUSE, self._accept_again)
                return
            if is_ours:
                self._clients.add(Client(self, connection))
            else:
                connection.close()
        if self._listener:
            self.loop.unwatch(self._listener)

    def _accept_again(self) -> None:
        if self._listener:
            self.loop.watch(self._listener, self._accept)

    def _stop_listening(self) -> None:
        if self._listener:
            self.loop.unwatch(self._listener)
            self._listener.close()
            self._listener = None
            if self._has_socket_file():
                self._path.unlink(missing_ok=True)

    def _has_socket_file(self) -> bool:
        """Whether the socket can still be found, and is not another agent's by now."""
        try:
            return self._socket_file is not None and os.path.samestat(self._socket_file, self._path.lstat())
        except OSError:
            return False

    def _leave(self) -> None:
        self._stop_listening()
        self.ledger.flush()
        self.approvals.close_dialogs()
        self.jobs.kill_workers()

    def _look_around(self) -> None:
        """Renews what is due, forgets what has ended, and leaves when that was all."""
        now = time.time()
        self.memory.forget_lines(lambda line: not self.approvals.permits.counts(line, now))
        used = self._used_lines()
        self.memory.expire(now, used)
        due = [now + LOOK_AROUND]
        for line in used & self.memory.entries.keys():
            if self.memory.entries[line].due_at() > now:
                due.append(self.memory.entries[line].due_at())
            elif self.memory.may_try(line, now):
                self._renew(line)
        if self._has_notices:
            self._announce(self.memory.living_lines(), now)
        if self._clients or used or not self.memory.is_empty() or self.approvals.permits.living(now):
            self._idle_since = time.monotonic()
        if unused := self.memory.leases.unused(used, now):
            self.revoke(unused, None, None)
        if self._is_done():
            self._end(self.memory.leases.without_users(used))
        self._look_in(max(LOOK_AROUND_SOON, min(due) - now))

    def _announce(self, lines: set[str], now: float) -> None:
        """Says on the desktop, once, that sessions of living shells will need a person soon."""
        for entry in (self.memory.entries[line] for line in lines & self.memory.entries.keys()):
            end = entry.needs_you_at
            if end and 0 < end - now <= SOON and self._noticed.get(entry.profile) != end:
                self._noticed[entry.profile] = end
                left = int(end - now) // 60
                name = printable(entry.profile)
                self.approvals.notify(f"{name} needs you in {left or '<1'}m", f"shellvault use {name}")

    def _look_soon(self) -> None:
        """There is a session or a user more, and so perhaps something that is due earlier."""
        if self._next_look_at > time.monotonic() + LOOK_AROUND_SOON:
            self._look_in(LOOK_AROUND_SOON)

    def _look_in(self, seconds: float) -> None:
        self._next_look.cancel()
        self._next_look_at = time.monotonic() + seconds
        self._next_look = self.loop.later(seconds, self._look_around)

    def _used_lines(self) -> set[str]:
        lines = self.memory.living_lines()
        return lines | self._endpoint.living_lines() if self._endpoint else lines

    def _is_done(self) -> bool:
        if self._lock is not None and not self._has_socket_file():
            # Its folder was removed (at logout, perhaps): no caller can reach it, so another agent may serve.
            os.close(self._lock)
            self._lock = None
        if self._lock is None:
            return not self._clients and not (self._endpoint and self._endpoint.living_lines())
        return time.monotonic() - self._idle_since >= IDLE

    def _renew(self, line: str) -> None:
        """Gets a session in the background, in all the forms that are in use, without asking a person."""
        entry = self.memory.entries[line]
        wanted = JobRequest(line, frozenset(entry.texts()), renew=True, quiet=True)
        self.jobs.start(wanted, Waiter(_ignore), self.memory.caller_of(line))

    # What it is asked.

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
        self.jobs.start(wanted, Waiter(_ignore), asking)
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

    def _obey(self, settings: Message, environment: Mapping[str, str]) -> None:
        """A worker with this environment has read settings; they count if they are a person's."""
        if self.approvals.said.are_settings(settings["home"], settings["config_home"]):
            self._watch_for(settings["lock_on"], environment)
            self.approvals.also(settings["coding_agents"])
            self.approvals.has_dialogs = settings["dialogs"]
            self._has_notices = settings["notice"] == "desktop"
            self.ledger.is_recorded = settings["history"]

    def revoke(
        self,
        leases: list[Lease],
        waiter: Waiter | None,
        asking: Caller | None,
        then: Callable[[], None] = lambda: None,
    ) -> None:
        """Forgets the sessions on these leases, and has the worker end them; the waiter is asked for a token."""
        for lease in leases:
            lease.is_going = True
        self.memory.forget_leased(leases)

        def over(outcome: Message) -> None:
            self.memory.leases.over(outcome, leases)
            then()

        # Not the waiter itself, which may have gone by then.
        self.jobs.revoke([lease.note for lease in leases], Waiter(over), waiter, asking)

    def leases_of(self, profiles: list[str] | None, pid: int | None) -> list[Lease]:
        """The leases of `profiles` (None: of all); with `pid` those of which this shell is the last user."""
        if pid is None:
            return self.memory.leases.of(profiles)
        use = self.memory.shells.pop(pid, None)
        return self.memory.leases.left_by(use.line, self._used_lines()) if use else []

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
            "workers": self.jobs.workers(),
            "worker_ready": self.jobs.is_ready(),
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

    def _watch_for(self, signs: list[str], environment: Mapping[str, str]) -> None:
        """Has a watcher tell us of these signs of the desktop's, from now on and of no others."""
        if self._watcher and (not signs or not self._watcher.serves(signs, environment)):
            self._watcher.end()
        if signs and self._watcher is None and self._watcher_command:
            from shellvault.agent.watching import Watcher

            try:
                process = workers.spawn((*self._watcher_command, *signs), environment)
            except (OSError, ValueError):
                # The next worker says it again.
                return
            self._watcher = Watcher(self.loop, process, signs, self._lock_by_desktop, self._watcher_ended)

    def _watcher_ended(self) -> None:
        self._watcher = None

    def _lock_by_desktop(self) -> None:
        assert self._watcher  # noqa: S101 - the watcher calls this
        self.lock(self._watcher.release)

    def _begin_restart(self, profiles: list[str] | None, release: Release) -> None:
        """Becomes a fresh process, which answers the request; one that cannot is left for a new agent to replace."""
        self.jobs.abandon()
        self.approvals.close_dialogs()
        self.ledger.flush()
        reply, text = release()
        try:
            if self._listener is None or not self._fresh_command:
                raise OSError("there is nothing to become")
            workers.await_ends()
            state = {
                "lock": {"descriptor": self._lock} if self._lock is not None else None,
                "path": str(self._path),
                "listener": {"descriptor": self._listener.fileno()},
                "memory": self.memory.state(),
                "callers": self.callers.state(),
                "approvals": self.approvals.state(),
                "ledger": self.ledger.state(),
                "children": workers.unreaped(),
                "worker": self.jobs.ready_worker(),
                "endpoint": self._endpoint.state(profiles) if self._endpoint else None,
                "watcher": self._watcher.state() if self._watcher else None,
                "reply": {"descriptor": reply.fileno(), "text": text.decode("latin-1")},
            }
            restart.begin(self._fresh_command, state)
        except OSError:
            # Its memory goes with it all the same.
            self.stop()
            with reply:
                reply.send(text)


def _ignore(outcome: Message) -> None:
    """The waiter of a renewal, which ignores the result: it is in the memory."""


def run(
    folder: Path,
    worker_command: tuple[str, ...],
    fresh_command: tuple[str, ...],
    watcher_command: tuple[str, ...] = (),
    *,
    ready: Callable[[], None] = lambda: None,
    worker: tuple[int, int, dict[str, str]] | None = None,
    starter: int | None = None,
    state: int | None = None,
) -> None:
    """Serves in this process until nothing is left to do; see `Agent.run`.

    `worker`, `starter`: see there. `state` is the descriptor of what the agent that this process was before has left;
    see `Agent.go_on`.
    """
    os.umask(0o077)
    hardening.protect_process()
    # The parent may have ignored SIGCHLD, and we must see the ends of workers.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    agent = Agent(folder, worker_command, os.environ, fresh_command, watcher_command)
    if state is None:
        agent.run(ready, worker, starter)
    else:
        agent.go_on(restart.state_from(state))


def _leave(number: int, frame: object) -> NoReturn:
    sys.exit(0)
