"""Single flight: the worker does one acquisition for all callers of the same session at the same time.

A job is one request line in some forms. When it raises a question, one of the waiting callers is asked; if it ends
or has no terminal, the next. The job's result or error goes once to each of them.
"""

import itertools
import time
from collections.abc import Callable, Mapping

from shellvault import guard
from shellvault.agent import processes
from shellvault.agent.caller import Caller, worker_part
from shellvault.agent.job import Job, JobRequest, Waiter, failure
from shellvault.agent.loop import Loop
from shellvault.agent.memory import Entry, Memory
from shellvault.agent.pool import Pool
from shellvault.agent.workers import Worker
from shellvault.protocol import Message

#: Seconds of silence after which a worker counts as hanging: where no person can be asked, and where one
#: may be busy with a dialog of the keyring's or of a helper process (which has 120 s).
SILENCE, SILENCE_WITH_PERSON = 30.0, 150.0

#: Seconds a person may take over one question.
PATIENCE = 300.0

#: The same for a sign-in in a browser: longer than the worker waits for it.
SIGN_IN_PATIENCE = 630.0

#: Seconds after which the other waiters learn which process is asked.
UNANSWERED = 0.7

#: The answer to a question that no caller answers.
NO_ANSWER: Message = {"answer": None}

#: The reply to waiters when everything is forgotten: ask again.
AGAIN: Message = {"retry": True}


class Jobs:
    """All jobs under way, and the worker that does them."""

    def __init__(
        self,
        loop: Loop,
        memory: Memory,
        worker_command: tuple[str, ...],
        environment: Mapping[str, str],
        remembered: Callable[[], None],
        settings: Callable[[Message, Mapping[str, str]], None],
        may_ask: Callable[[str, Caller | None], bool],
    ) -> None:
        """`remembered` is called whenever there is a new session in the memory.

        `settings` gets those that a worker has read, and the worker's environment. `may_ask` says whether a caller may
        use a request line.
        """
        self._settings = settings
        self._may_ask = may_ask
        self._loop = loop
        self._memory = memory
        self._remembered = remembered
        self._numbers = itertools.count(1)
        self._jobs: dict[int, Job] = {}
        self.pool = Pool(
            loop, worker_command, environment, self._received, self._ended, self._taken, self._is_busy
        )

    def __len__(self) -> int:
        return len(self._jobs)

    def start(
        self, wanted: JobRequest, waiter: Waiter, caller: Caller | None, mfa_token: str | None = None
    ) -> None:
        """Joins the acquisition of this session, or starts it for the `caller` (None: unknown).

        The output of a helper program of a command in other namespaces is for such commands only.
        """
        if not self._may_ask(wanted.line, caller):
            waiter.done(failure("NotForAgentError", guard.ELSEWHERE))
            return
        job = next(
            (
                job
                for job in self._jobs.values()
                if job.wanted and wanted.is_met_by(job.wanted) and _is_local(caller) == _is_local(job.caller)
            ),
            None,
        )
        if job:
            waiter.is_late = job.gave_up
            job.waiters.append(waiter)
            if waiter.tell and job.waits_for:
                waiter.tell({"waits_for": job.waits_for})
            self._show_asked_process(self._asked_for(job), [waiter])
            return
        message: Message = {
            "job": next(self._numbers),
            "request": wanted.line,
            "forms": sorted(wanted.forms),
            "fresh": wanted.fresh,
            "renew": wanted.renew,
            "quiet": wanted.quiet,
            "role_arn": wanted.role_arn,
            "environment": caller.environment if caller else None,
            "directory": caller.directory if caller else "/",
            "is_local": _is_local(caller),
            "runs_helpers": wanted.quiet and caller is not None and caller.runs_helpers,
            "mfa_token": mfa_token,
        }
        self._begin(wanted, waiter, caller, message)

    def operate(self, operation: Message, backend: str | None, waiter: Waiter, caller: Caller) -> None:
        """Has the worker do an operation on the vault (shellvault.vault.operations)."""
        number = next(self._numbers)
        message = {
            "job": number,
            "vault": operation,
            "backend": backend,
            "environment": caller.environment,
            "directory": caller.directory,
        }
        self._begin(None, waiter, caller, message)

    def revoke(
        self, notes: list[Message], agent: Waiter, waiter: Waiter | None, caller: Caller | None
    ) -> None:
        """Has the worker revoke Vault leases, with the token of the `waiter`, else with those of the homes."""
        number = next(self._numbers)
        message = {
            "job": number,
            "revoke": notes,
            "environment": caller.environment if caller else None,
            "is_local": _is_local(caller),
        }
        self._begin(None, agent, caller, message)
        if waiter and (job := self._jobs.get(number)):
            job.waiters.append(waiter)
        elif waiter:
            waiter.done(failure("AgentError", "the agent's worker cannot be started"))

    def _begin(
        self, wanted: JobRequest | None, waiter: Waiter, caller: Caller | None, message: Message
    ) -> None:
        try:
            job = Job(wanted, waiter, caller, message, self.pool.worker_for(caller))
        except (OSError, ValueError) as error:
            waiter.done(_not_started(error))
            return
        self._jobs[message["job"]] = job
        self._watch(job)
        self._give(job)

    def _give(self, job: Job) -> None:
        worker = job.worker
        worker.attend(self._is_slow)
        worker.send(job.message)
        if job.worker is worker and not worker.lives:
            # It had died before it got this job.
            worker.rest()
            self.pool.left(worker)

    def leave(self, waiter: Waiter) -> None:
        """A waiter has gone. Its question goes to another; the job itself goes on."""
        for job in self._jobs.values():
            if waiter in job.waiters:
                job.waiters.remove(waiter)
                break
        for job in self._jobs.values():
            if job.asking is waiter:
                self._ask(job)
                return

    def abandon(self) -> None:
        """Ends every worker that has had a job, and every job; the waiters get AGAIN."""
        jobs, self._jobs = self._jobs, {}
        self.pool.kill_used()
        for job in jobs.values():
            if job.timer:
                job.timer.cancel()
            for waiter in job.waiters:
                waiter.done(AGAIN)

    def _taken(self, worker: Worker) -> None:
        """A worker is about to get its first job."""
        worker.send({"unlock": self._memory.unlock_keys(time.time())})

    def _is_busy(self, worker: Worker) -> bool:
        return any(job.worker is worker for job in self._jobs.values())

    def _watch(self, job: Job) -> None:
        if job.timer:
            job.timer.cancel()
        if job.question:
            patience = SIGN_IN_PATIENCE if job.question["kind"] == "sign-in" else PATIENCE
            job.timer = self._loop.later(patience, lambda: self._answered(job, NO_ANSWER))
        else:
            silence = SILENCE_WITH_PERSON if job.next_to_ask() else SILENCE
            job.timer = self._loop.later(silence, lambda: self._hangs(job))

    def _is_slow(self, worker: Worker) -> None:
        """A worker is silent for some seconds: it is stopped, or the machine is very busy."""
        notice = {"tell": f"the agent's worker (process {worker.pid}) does not answer: it is ended soon"}
        for job in self._jobs.values():
            for waiter in job.waiters:
                if job.worker is worker and waiter.tell:
                    waiter.tell(notice)

    def _hangs(self, job: Job) -> None:
        if any(other.question and other.worker is job.worker for other in self._jobs.values()):
            # It may wait for a step for which another job is asking a person.
            self._watch(job)
            return
        silent = job.waits_for or "the keyring or AWS"
        self._finish(job, failure("AgentError", f"{silent} did not answer the agent in time"))
        job.worker.kill()

    def _received(self, worker: Worker, message: Message) -> None:
        if "ready" in message:
            worker.is_ready = True
        elif "load" in message:
            session = self._memory.load_step(message["load"], time.time())
            worker.send({"number": message["number"], "session": session})
        elif "store" in message:
            self._memory.store_step(message["store"], message["session"])
        elif "settings" in message:
            self._settings(message["settings"], worker.environment)
        elif "unlock" in message:
            self._memory.unlock(message["unlock"])
        elif job := self._jobs.get(message["job"]):
            job.tries_left = 0
            if "ask" in message:
                job.question = message["ask"]
                job.was_shown = False
                self._ask(job)
            elif "behind" in message or "behind_process" in message:
                job.behind = message.get("behind") or self._job_of(message.get("behind_process", 0))
                self._watch(job)
                self._show_asked_process(self._asked_for(job), job.waiters)
            elif "settled" in message:
                if job.asking and job.question and job.question["kind"] != "sign-in":
                    # It reads an answer from its terminal until then.
                    job.asking.withdraw()
                job.question = job.asking = None
                self._watch(job)
            elif "tell" in message or "waits_for" in message:
                self._watch(job)
                job.waits_for = message.get("waits_for", job.waits_for)
                progress: Message = {key: message[key] for key in ("tell", "waits_for") if key in message}
                for waiter in job.waiters:
                    if waiter.tell:
                        waiter.tell(progress)
            elif "result" in message or "error" in message or "handed_out" in message:
                self._finish(job, message)

    def _ask(self, job: Job) -> None:
        """Puts the job's question to the next waiter that can answer; if none can, tells the worker."""
        waiter = job.asking = job.next_to_ask()
        if waiter is None or waiter.ask is None or job.question is None:
            job.gave_up = True
            self._answered(job, NO_ANSWER)
            return
        self._put_question(job, waiter)

    def _put_question(self, job: Job, waiter: Waiter) -> None:
        assert waiter.ask and job.question  # noqa: S101 - as chosen
        self._watch(job)
        # A later waiter finds the browser tab of the first one open.
        question = {**job.question, "was_shown": True} if job.was_shown else job.question
        job.was_shown = True
        waiter.ask(question, lambda answer: self._reply(job, waiter, answer))
        self._show_asked_process(job, self._all_waiters_for(job))

    def take(self, waiter: Waiter) -> None:
        """Moves a question that another waiter has not answered to `waiter`, which waits for the same."""
        own = next((job for job in self._jobs.values() if waiter in job.waiters), None)
        job = own and self._asked_for(own)
        if own is None or job is None or job.question is None or job.asking in (None, waiter):
            return
        if job.question["kind"] == "helper" and _is_local(own.caller) != _is_local(job.caller):
            # The output of a program in a container is for the commands there.
            return
        assert job.asking  # noqa: S101 - as looked at
        job.asking.withdraw()
        job.asking, waiter.asked = waiter, False
        self._put_question(job, waiter)

    def _job_of(self, pid: int) -> int:
        """The number of the job of a worker process that has a question, else of any of its jobs; 0: none."""
        numbers = [number for number, job in self._jobs.items() if job.worker.pid == pid]
        return next((number for number in numbers if self._jobs[number].question), (numbers or [0])[0])

    def _asked_for(self, job: Job) -> Job | None:
        """The job whose open question this one waits for; it may be this one."""
        for _ in self._jobs:
            if job.question:
                return job
            ahead = self._jobs.get(job.behind)
            if ahead is None:
                return None
            job = ahead
        return None

    def _all_waiters_for(self, job: Job) -> list[Waiter]:
        return [
            waiter
            for other in self._jobs.values()
            if self._asked_for(other) is job
            for waiter in other.waiters
        ]

    def _show_asked_process(self, job: Job | None, waiters: list[Waiter]) -> None:
        """Shows the waiters which process is asked, in which terminal; they may take the question."""
        if job and job.question:
            # Most questions are answered at once, by the environment or -t.
            question = job.question
            self._loop.later(UNANSWERED, lambda: self._tell_if_open(job, question, waiters))

    def _tell_if_open(self, job: Job, question: Message, waiters: list[Waiter]) -> None:
        if job.question is not question or job.asking is None:
            return
        still = self._all_waiters_for(job)
        asked = processes.seat(job.asking.pid)
        asked_elsewhere = {
            "kind": question["kind"],
            "subject": question["subject"],
            "process": job.asking.pid,
            "terminal": asked.terminal,
            # A person may follow it from any terminal; Enter would show it too.
            **{name: question[name] for name in ("link", "code") if question.get(name)},
        }
        for waiter in (waiter for waiter in waiters if waiter in still):
            # On the same terminal the question can be seen, unless it is out of sight with its process (^Z).
            sees = asked.is_in_front and asked.terminal == processes.seat(waiter.pid).terminal
            if waiter is not job.asking and waiter.tell and not sees:
                waiter.tell({"asked": asked_elsewhere})

    def _reply(self, job: Job, waiter: Waiter, answer: Message) -> None:
        if job.asking is not waiter:
            return
        if answer == NO_ANSWER:
            waiter.asked = True
            self._ask(job)
        else:
            self._answered(job, answer)

    def _answered(self, job: Job, answer: Message) -> None:
        job.question = job.asking = None
        self._watch(job)
        job.worker.send({"job": job.message["job"], **answer})

    def _finish(self, job: Job, outcome: Message) -> None:
        if self._jobs.pop(job.message["job"], None) is None:
            return
        if job.timer:
            job.timer.cancel()
        if job.wanted:
            self._remember(job, job.wanted, outcome)
            if "result" in outcome and not outcome["result"]["keep"]:
                self._hand_out(job, outcome["result"])
        self.pool.rest(job.worker)
        needs_person = outcome.get("error", {}).get("type") == "NeedsPersonError"
        for waiter in job.waiters:
            if job.wanted and needs_person and waiter.ask and waiter.is_late:
                self.start(job.wanted, waiter, job.caller)
            else:
                waiter.done(outcome)

    def _hand_out(self, job: Job, result: Message) -> None:
        """Has the worker give long-term keys to the waiters: they must never be in our memory."""
        number = job.message["job"]
        takers = [waiter for waiter in job.waiters if waiter.hand_over]
        job.waiters = [waiter for waiter in job.waiters if not waiter.hand_over]
        for waiter in takers:
            assert waiter.hand_over  # noqa: S101 - as chosen
            taken = waiter.hand_over(result)
            with taken.socket:
                before = taken.before.decode("latin-1")
                message = {"job": number, "hand_out": taken.form, "before": before, "is_text": taken.is_text}
                job.worker.hand_out(message, taken.socket)
        job.worker.send({"job": number, "hand_out": None})
        # It stays a job until then, so that the worker is not ended before.
        rest = Job(None, Waiter(lambda outcome: None), None, {"job": number}, job.worker)
        rest.tries_left = 0
        self._jobs[number] = rest
        self._watch(rest)

    def _remember(self, job: Job, wanted: JobRequest, outcome: Message) -> None:
        key = wanted.memory_key
        if "error" in outcome:
            kind, message = outcome["error"]["type"], outcome["error"]["message"]
            self._memory.note_failure(key, time.time(), message, needs_you=kind == "NeedsPersonError")
            return
        result = outcome["result"]
        if job.waiters and not wanted.renew:
            # A person is at the keyboard: other sessions that need one may work now, too.
            self._memory.person_was_here()
        self._memory.troubles.pop(key, None)
        if not result["keep"]:
            return
        older = self._memory.entries.get(key)
        self._memory.put(key, Entry(result, _kept_part(job.caller, result)))
        self._memory.leases.hold(result.get("leases", ()), wanted.line, time.time())
        now = time.time()
        if wanted.renew and older and older.due_at() <= now and older.expires_at >= result["expires_at"]:
            # The same session again: a longer one needs a person, or is not available yet.
            self._memory.note_failure(key, now, "it cannot be renewed", needs_you=result["needs_person"])
        self._remembered()

    def _ended(self, worker: Worker) -> None:
        for job in [job for job in self._jobs.values() if job.worker is worker]:
            if job.tries_left:
                # It was sent to a worker that was already dead.
                self._send_again(job)
            else:
                self._finish(job, failure("AgentError", "the agent's worker ended before it had a session"))

    def _send_again(self, job: Job) -> None:
        job.tries_left -= 1
        try:
            job.worker = self.pool.worker_for(job.caller)
        except (OSError, ValueError) as error:
            self._finish(job, _not_started(error))
        else:
            self._give(job)


def _is_local(caller: Caller | None) -> bool:
    return caller is None or caller.is_local


def _kept_part(caller: Caller | None, result: Message) -> Caller | None:
    """The part of a caller that later renewals need."""
    if caller is None or result["uses_environment"]:
        return caller
    return caller._replace(environment=worker_part(caller.environment))


def _not_started(error: OSError | ValueError) -> Message:
    reason = error.strerror if isinstance(error, OSError) else "its environment cannot be passed on"
    return failure("AgentError", f"the agent's worker cannot be started ({reason})")
