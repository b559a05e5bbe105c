"""The workers: the one that does the jobs, and one that has started already and follows it."""

from collections.abc import Callable, Mapping

from shellvault.agent.caller import Caller, worker_part
from shellvault.agent.loop import Loop, Timer
from shellvault.agent.restart import socket_of
from shellvault.agent.workers import Process, Worker, spawn
from shellvault.protocol import Message

#: Seconds that a worker stays after its last job; it may hold long-term secrets.
IDLE_AFTER_JOB = 1.0

#: Seconds that a worker which has not had a job yet is kept ready.
WORKER_IDLE = 300.0


class Pool:
    """The worker processes. A worker serves one environment."""

    def __init__(
        self,
        loop: Loop,
        command: tuple[str, ...],
        environment: Mapping[str, str],
        received: Callable[[Worker, Message], None],
        ended: Callable[[Worker], None],
        taken: Callable[[Worker], None],
        is_busy: Callable[[Worker], bool],
    ) -> None:
        """`environment` is for jobs without a caller. `taken` is called with a worker before its first job."""
        self._loop = loop
        self._command = command
        self._environment = worker_part(environment)
        self._received, self._ended = received, ended
        self._taken = taken
        self._is_busy = is_busy
        self._worker: Worker | None = None
        self._ready: Worker | None = None
        """A worker that holds nothing yet and has imported its modules: it follows the current one."""
        self._workers: set[Worker] = set()
        self._idle: Timer | None = None
        self._ready_idle: Timer | None = None

    def pids(self) -> list[int]:
        """The process ids of all workers."""
        return [worker.pid for worker in self._workers]

    def kill(self) -> None:
        """Ends every worker and with it every job."""
        for worker in list(self._workers):
            worker.kill()

    def kill_used(self) -> None:
        """Ends every worker that has had a job."""
        for worker in self._workers - {self._ready}:
            worker.kill()

    def is_ready(self) -> bool:
        """Whether a worker has imported its modules, so that the next job starts at once."""
        return any(worker and worker.is_ready for worker in (self._ready, self._worker))

    def ready_worker(self) -> Message | None:
        """The worker that holds nothing yet, for a fresh agent (see `restart`)."""
        return self._ready.state() if self._ready else None

    def adopt(self, state: Message) -> None:
        """Takes over the `ready_worker` of the agent before. Raises OSError."""
        worker = self._joined(Process(state["pid"], state["environment"], socket_of(state)))
        worker.is_ready = state["is_ready"]
        self._keep_ready(worker)

    def worker_for(self, caller: Caller | None) -> Worker:
        """The worker for the jobs of a caller, started if needed. Raises OSError, ValueError."""
        if self._idle:
            self._idle.cancel()
        wanted = worker_part(caller.environment) if caller else self._environment
        worker, retired = self._worker, None
        if worker is None or worker.environment != wanted:
            retired = worker
            worker = self._worker = self._take_ready(wanted) or self._joined(spawn(self._command, wanted))
            self._taken(worker)
        if retired:
            self.rest(retired)
        return worker

    def rest(self, worker: Worker) -> None:
        """Ends a worker that has no job any more, the current one after a moment."""
        if self._is_busy(worker):
            return
        worker.rest()
        if worker is not self._worker:
            worker.kill()
        else:
            self._idle = self._loop.later(IDLE_AFTER_JOB, worker.kill)
            self._make_ready(worker.environment)

    def left(self, worker: Worker) -> None:
        """A worker has ended."""
        self._workers.discard(worker)
        if self._worker is worker:
            self._worker = None
        if self._ready is worker:
            self._ready = None
        self._ended(worker)

    def _joined(self, process: Process) -> Worker:
        worker = Worker(self._loop, process, self._received, self.left)
        self._workers.add(worker)
        return worker

    def _take_ready(self, environment: dict[str, str]) -> Worker | None:
        worker = self._ready
        if worker is None or worker.environment != environment:
            return None
        self._ready = None
        return worker

    def _keep_ready(self, worker: Worker) -> None:
        self._ready = worker
        if self._ready_idle:
            self._ready_idle.cancel()
        self._ready_idle = self._loop.later(WORKER_IDLE, self._end_ready)

    def _end_ready(self) -> None:
        if self._ready:
            self._ready.kill()

    def _make_ready(self, environment: dict[str, str]) -> None:
        """Starts the worker after the current one ahead of time."""
        if self._ready and self._ready.environment != environment:
            self._end_ready()
        try:
            self._keep_ready(self._ready or self._joined(spawn(self._command, environment)))
        except (OSError, ValueError):
            # The next job starts one, and reports the error.
            return
