"""The agent: one process per user. It remembers sessions, renews them for the shells and commands that use them,
and never prompts.

It holds no long-term keys: only the worker has them, for one step (see `worker`).
"""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

from shellvault import hardening, locks
from shellvault.agent import restart, workers
from shellvault.agent.clients import Client
from shellvault.agent.job import JobRequest, Waiter
from shellvault.agent.leases import Lease
from shellvault.agent.loop import Stream
from shellvault.agent.operations import Operations, ignore
from shellvault.agent.restart import Release
from shellvault.display import printable
from shellvault.protocol import REQUEST_DEADLINE, Message

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


class Agent(Operations):
    """The life of the agent: listening, looking around, starting again, leaving."""

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
        super().__init__(worker_command, environment)
        self._environment = environment
        self._fresh_command = fresh_command
        self._watcher_command = watcher_command
        self._folder = folder
        self._path = folder / SOCKET
        self._lock: int | None = None
        self._listener: socket.socket | None = None
        self._socket_file: os.stat_result | None = None
        self._limit = max(16, min(CONNECTIONS, hardening.raise_descriptor_limit(CONNECTIONS * 2) - RESERVE))
        self._clients: set[Client] = set()
        self._idle_since = time.monotonic()
        self._next_look = self.loop.later(0, self._look_around)
        self._next_look_at = 0.0
        self._is_ending = False
        self._has_notices = False
        """Whether the settings want notices on the desktop."""
        self._noticed: dict[str, float] = {}
        """What was said of profiles: when they need a person."""

    def run(
        self,
        ready: Callable[[], None],
        worker: tuple[int, int, dict[str, str]] | None = None,
        *,
        is_ours: bool = True,
    ) -> None:
        """Serves until nothing is left to do. Returns at once when another agent of this user serves already.

        `ready` is called as soon as connections are accepted. `worker` is one that has been started already: its
        number, our end of its socket and its environment. `is_ours`: no coding agent has started this process, so its
        environment counts as a person's. Raises AgentError when the folder is not private, OSError when the socket
        cannot be made.
        """
        hardening.check_folder(self._folder)
        self._lock = locks.open_lock(self._folder / LOCK)
        # Held for life.
        if not locks.is_locked_now(self._lock):
            os.close(self._lock)
            return
        if is_ours:
            self.approvals.said.note(self._environment, "/")
        if worker:
            pid, descriptor, environment = worker
            self.jobs.pool.adopt(
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
            self.jobs.pool.adopt(state["worker"])
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
        """See `Operations.stop`."""
        self._stop_listening()
        self.loop.later(0, self.loop.stop)

    def retire(self) -> None:
        """See `Operations.retire`."""
        if self._lock is None or not self._has_socket_file():
            return
        aside = self._folder / f"old-{os.getpid()}.sock"
        self._path.rename(aside)
        self._path = aside
        os.close(self._lock)
        self._lock = None
        self._look_soon()

    def closed(self, client: Client) -> None:
        """See `Operations.closed`."""
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
        self.jobs.pool.kill()

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
        """See `Operations`."""
        if self._next_look_at > time.monotonic() + LOOK_AROUND_SOON:
            self._look_in(LOOK_AROUND_SOON)

    def _look_in(self, seconds: float) -> None:
        self._next_look.cancel()
        self._next_look_at = time.monotonic() + seconds
        self._next_look = self.loop.later(seconds, self._look_around)

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
        self.jobs.start(wanted, Waiter(ignore), self.memory.caller_of(line))

    def _obey(self, settings: Message, environment: Mapping[str, str]) -> None:
        """See `Operations`."""
        if self.approvals.said.are_settings(settings["home"], settings["config_home"]):
            self._watch_for(settings["lock_on"], environment)
            self.approvals.also(settings["coding_agents"])
            self.approvals.has_dialogs = settings["dialogs"]
            self._has_notices = settings["notice"] == "desktop"
            self.ledger.is_recorded = settings["history"]

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
        """See `Operations`."""
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
                "worker": self.jobs.pool.ready_worker(),
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


def run(
    folder: Path,
    worker_command: tuple[str, ...],
    fresh_command: tuple[str, ...],
    watcher_command: tuple[str, ...] = (),
    *,
    ready: Callable[[], None] = lambda: None,
    worker: tuple[int, int, dict[str, str]] | None = None,
    is_ours: bool = True,
    state: int | None = None,
) -> None:
    """Serves in this process until nothing is left to do; see `Agent.run`.

    `worker`, `is_ours`: see there. `state` is the descriptor of what the agent that this process was before has left;
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
        agent.run(ready, worker, is_ours=is_ours)
    else:
        agent.go_on(restart.state_from(state))


def _leave(number: int, frame: object) -> NoReturn:
    sys.exit(0)
