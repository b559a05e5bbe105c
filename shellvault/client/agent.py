"""The full command line's side of the agent: finds it, starts it, and answers its questions.

Every failure of the agent itself is an AgentError, after which the caller does the work in its own process.
"""

import base64
import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from shellvault import __version__, errors, hardening, here, locations
from shellvault.attempts import attempt_all
from shellvault.client.starting import connect, connection_to_agent
from shellvault.errors import (
    AgentError,
    NeedsPersonError,
    SessionError,
    ShellvaultError,
    WrongPassphraseError,
)
from shellvault.fastlane.commands import shell_pid
from shellvault.protocol import JSON_LIMIT, Lines, Message, decode, encode
from shellvault.variables import PASSPHRASE_VARIABLES, for_agent

if TYPE_CHECKING:
    from shellvault.sessions.model import Prompter

#: Seconds of silence after which the agent counts as hung; a working agent sends signs of life.
ANSWER_PATIENCE = 10.0

#: Seconds that a process waits for the agent to inspect it.
INTRODUCTION = 1.0

#: Attempts at a session, since an agent of another version may have to exit first, or the agent may just be exiting.
TRIES = 3


def obtain(
    request_line: str,
    form: str,
    prompter: "Prompter",
    environment: Mapping[str, str],
    *,
    mfa_token: str | None = None,
    fresh: bool = False,
    reason: str = "",
    yes: bool = False,
    waits_for: Callable[[str], None],
) -> str:
    """The session of a request line as the text of a form (see shells.forms). Starts the agent if necessary.

    `environment` is the command's own; it goes to the worker without AWS credentials and private variables.
    Helper programs of the profile run here, in this folder and environment.
    The `mfa_token` answers the first question for a code. For `env.SHELL` the session is kept fresh for our
    parent, which is the shell, for `exec.SHELL` for this process, which becomes one. Raises AgentError when the
    agent cannot be used, and the errors of getting the session. `waits_for` is called with what the answer waits for.
    """
    kind, _, shell = form.partition(".")
    message = {
        "do": "session",
        "version": __version__,
        "request": request_line,
        "form": form,
        "pid": None if not shell else os.getpid() if kind == "exec" else shell_pid(),
        "fresh": fresh,
        "reason": reason,
        "yes": yes,
        "mfa_token": mfa_token,
        "environment": for_agent(environment),
        "directory": here.working_directory(),
    }
    result = _with_agent(environment, message, _Answers(prompter, mfa_token, environment, waits_for))
    text = result.get("text")
    if not isinstance(text, str):
        raise AgentError("the agent gave no session")
    return text


def open_endpoint(
    request_line: str, pid: int, environment: Mapping[str, str], reason: str | None = None
) -> dict[str, str]:
    """The two variables by which the process `pid`, and what it starts, reach the container endpoint.

    The token dies with that process. Raises AgentError; without an agent there is no endpoint.
    """
    message = {
        "do": "endpoint",
        "version": __version__,
        "request": request_line,
        "pid": pid,
        "environment": for_agent(environment),
        "directory": here.working_directory(),
        "reason": reason,
    }
    return {str(name): str(value) for name, value in _with_agent(environment, message, None).items()}


def has_place(environment: Mapping[str, str]) -> bool:
    """Whether the path of the agent's socket is short enough for one (unix(7)).

    Does not check that the folder is private: connecting reports that.
    """
    try:
        return len(os.fsencode(locations.socket_path(environment))) <= locations.SOCKET_PATH_BYTES
    except ShellvaultError:
        return True


def ensure_agent(environment: Mapping[str, str]) -> None:
    """Starts the agent unless it runs. Raises AgentError when it does not start."""
    connection_to_agent(environment).close()


def introduce(environment: Mapping[str, str]) -> None:
    """Lets a running agent see where this process runs, while the process still exists."""
    with suppress(OSError, ShellvaultError):
        if connection := connect(locations.socket_path(environment)):
            with connection:
                connection.settimeout(INTRODUCTION)
                connection.sendall(encode({"do": "status", "version": __version__}))
                connection.recv(1)


def status(environment: Mapping[str, str]) -> Message | None:
    """The agent's status; None when no agent runs. Raises AgentError."""
    return next(iter(_tell_all(environment, "status")), None)


def stop(environment: Mapping[str, str]) -> int:
    """Ends all agents, by SIGKILL if necessary. Returns how many ran. Raises AgentError."""
    return len(_tell_all(environment, "stop"))


def lock(environment: Mapping[str, str]) -> int:
    """Makes all agents forget sessions and unlock keys. Returns how many agents ran. Raises AgentError."""
    return len(_tell_all(environment, "lock"))


def operate(
    operation: Message,
    backend: str | None,
    prompter: "Prompter",
    environment: Mapping[str, str],
    waits_for: Callable[[str], None] = lambda what: None,
) -> Message:
    """The result of an operation on the vault (shellvault.vault.operations), done by the agent's worker.

    The agent forgets what the operation changes. Raises AgentError when the agent cannot be used, and the errors of
    the operation.
    """
    message = {
        "do": "vault",
        "version": __version__,
        "operation": operation,
        "backend": backend,
        "environment": for_agent(environment),
        "directory": here.working_directory(),
    }
    return _with_agent(environment, message, _Answers(prompter, None, environment, waits_for))


def say(environment: Mapping[str, str], message: Message, *, start: bool = False) -> Message:
    """The agent's answer to a message that asks no questions; {} when no agent runs and `start` is false.

    Raises AgentError, and the error with which the agent refuses.
    """
    whole = {**message, "version": __version__}
    if start:
        return _with_agent(environment, whole, None)
    connection = connect(locations.socket_path(environment))
    if connection is None:
        return {}
    with connection:
        return _converse(connection, whole, None) or {}


def forget(environment: Mapping[str, str], profiles: list[str] | None = None) -> int:
    """Makes the agent forget every session, and the endpoints of `profiles` (None: of all).

    Returns how many agents ran. Raises AgentError.
    """
    return len(_tell_all(environment, "forget", {"profiles": profiles}))


def revoke(
    environment: Mapping[str, str], prompter: "Prompter", profiles: list[str] | None, pid: int | None = None
) -> Message:
    """Has the agent end the leases of `profiles` (None: of all), or those that only the shell `pid` still uses.

    `revoked` are ids, `kept` the leases that could not be ended, each with `why`. Does nothing when no agent runs.
    Raises AgentError.
    """
    result: Message = {"revoked": [], "kept": []}
    message = {
        "do": "revoke",
        "version": __version__,
        "profiles": profiles,
        "pid": pid,
        "environment": for_agent(environment),
        "directory": here.working_directory(),
    }
    for found in _tell_all(environment, "revoke", message, _Answers(prompter, None, environment)):
        result = {name: result[name] + found.get(name, []) for name in result}
    return result


class _Answers:
    """Answers the agent's questions: with the MFA code of the command line, then through the prompter."""

    def __init__(
        self,
        prompter: "Prompter",
        mfa_token: str | None,
        environment: Mapping[str, str],
        waits_for: Callable[[str], None] = lambda what: None,
    ) -> None:
        self.prompter = prompter
        self.waits_for = waits_for
        self._mfa_token = mfa_token
        self._environment = environment
        self._has_passphrase = any(environment.get(name) for name in PASSPHRASE_VARIABLES)
        self._passphrases_asked = 0
        self.refusal: NeedsPersonError | None = None
        self.may_take = False

    def takes(self, asked: Message) -> bool:
        """Shows which process is being asked. Returns whether this command has the answer already (--mfa-token).

        From then on a person at this terminal can take the question over with Enter (`may_take`).
        """
        if asked["kind"] == "mfa-code" and self._mfa_token:
            return True
        where = f" on {asked['terminal']}" if asked["terminal"] else ""
        what = {
            "mfa-code": f"is asked for the MFA code of {asked['subject']}",
            "helper": f"runs a helper program of profile {asked['subject']}",
            "sign-in": f"waits for a sign-in to {asked['subject']}",
            "sign-in-code": f"is asked for the code of a sign-in to {asked['subject']}",
        }.get(asked["kind"], f"is asked: {asked['kind']} of {asked['subject']}")
        shows = f" (it shows the code {asked['code']})" if asked.get("code") else ""
        gives = " and give the code there" if asked["kind"] == "sign-in-code" else ""
        way = f"open {asked['link']}{shows}{gives}" if asked.get("link") else "answer there"
        self.prompter.tell(
            f"process {asked['process']}{where} {what}: {way}, or press Enter to be asked here"
        )
        self.may_take = True
        return False

    def message(self, question: Message, withdrawn: int) -> Message | None:
        """The message that answers the agent's question; None: the answer comes from the browser or elsewhere.

        Raises as `answer`, and ValueError.
        """
        from shellvault.sessions.model import Helper, WithdrawnError

        if question["kind"] == "sign-in":
            return None if self._invite(question) else {"answer": None}
        if question["kind"] != "helper":
            try:
                return {"answer": self.answer(question, withdrawn)}
            except WithdrawnError:
                return None
        from shellvault.sessions.processes import run_helper

        helper = Helper.from_json(question["helper"])
        try:
            output = run_helper(helper, self._environment, here.working_directory())
        except SessionError as error:
            return {"failed": str(error)}
        return {"answer": base64.b64encode(output).decode("ascii")}

    def _invite(self, question: Message) -> bool:
        """Shows a person where to sign in. False when there is no person to show it to."""
        from shellvault.sessions.model import Challenge

        try:
            with self.prompter.invite(Challenge.from_json(question)):
                return True
        except NeedsPersonError as error:
            self.refusal = error
            return False

    def answer(self, question: Message, withdrawn: int) -> str | None:
        """The person's answer; None when no person can be asked, with the reason in `refusal`.

        Raises WrongPassphraseError when the passphrase of the environment has not opened the vault.
        """
        if question["kind"] == "passphrase" and self._has_passphrase:
            self._passphrases_asked += 1
            if self._passphrases_asked > 1:
                raise WrongPassphraseError(
                    f"the passphrase in the environment does not open {question['subject']!a}: "
                    "correct SHELLVAULT_FILE_PASSPHRASE, or unset it to be asked"
                )
        if question["kind"] == "mfa-code" and self._mfa_token:
            token, self._mfa_token = self._mfa_token, None
            return token
        from shellvault.sessions.model import Challenge

        challenge = Challenge.from_json(question)
        try:
            return self.prompter.ask(challenge, withdrawn)
        except NeedsPersonError as error:
            self.refusal = error
            return None


def _with_agent(environment: Mapping[str, str], message: Message, answers: _Answers | None) -> Message:
    """Sends a request to the agent, and again after an agent of another version has exited."""
    for _ in range(TRIES):
        with connection_to_agent(environment) as connection:
            outcome = _converse(connection, message, answers)
        if outcome is not None:
            return outcome
    raise AgentError("the agent ended before it had an answer")


def _converse(connection: socket.socket, message: Message, answers: _Answers | None) -> Message | None:
    """The result of one request; None when the agent exited first or is of another version. Raises its error."""
    asked_somebody = False
    try:
        connection.settimeout(ANSWER_PATIENCE)
        connection.sendall(encode(message))
        for reply in _messages(connection, answers):
            if "ask" in reply and answers:
                asked_somebody = True
                answers.may_take = False
                answer = answers.message(reply["ask"], connection.fileno())
                if answer is not None:
                    connection.sendall(encode(answer))
            elif "tell" in reply and answers:
                answers.prompter.tell(str(reply["tell"]))
            elif "waits_for" in reply:
                if answers:
                    answers.waits_for(str(reply["waits_for"]))
            elif "asked" in reply:
                if answers and answers.takes(reply["asked"]):
                    connection.sendall(encode({"take": True}))
            elif "alive" in reply or "withdrawn" in reply:
                continue
            elif "retry" in reply:
                return None
            elif "error" in reply:
                raise _error(reply["error"], answers)
            else:
                return dict(reply["result"])
    except TimeoutError as error:
        raise AgentError("the agent does not answer (`shellvault agent stop` ends it)") from error
    except OSError as error:
        if asked_somebody:
            raise AgentError("the agent ended while it waited for an answer") from error
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise AgentError("the agent answers in another language (`shellvault agent stop` ends it)") from error
    if asked_somebody:
        raise AgentError("the agent ended after it had its answer")
    return None


def _messages(connection: socket.socket, answers: _Answers | None) -> Iterator[Message]:
    lines = Lines(JSON_LIMIT)
    while True:
        if answers and answers.may_take:
            pressed = answers.prompter.wait_for_enter(connection.fileno(), ANSWER_PATIENCE)
            answers.may_take = pressed is False
            if pressed:
                connection.sendall(encode({"take": True}))
        data = connection.recv(65536)
        if not data:
            return
        for line in lines.feed(data):
            yield decode(line)


def _error(error: Message, answers: _Answers | None) -> ShellvaultError:
    """The agent's error as an exception; the prompter's own refusal is preferred, as it says what to do."""
    kind = getattr(errors, str(error["type"]), None)
    if not (isinstance(kind, type) and issubclass(kind, ShellvaultError)):
        return AgentError(str(error["message"]))
    if issubclass(kind, NeedsPersonError) and answers and answers.refusal:
        return answers.refusal
    return kind(str(error["message"]))


def _tell_all(
    environment: Mapping[str, str], do: str, more: Message | None = None, whom: "_Answers | None" = None
) -> list[Message]:
    """Sends one message to every listening agent of this user, and returns the answers."""
    answers: list[Message] = []
    try:
        folder = locations.runtime_directory(environment)
    except ShellvaultError as error:
        if isinstance(error.__cause__, OSError):
            # No folder can be made, so no agent listens in it.
            return []
        raise AgentError(f"the agent did not {do}: {error}") from error

    def tell(path: Path) -> None:
        try:
            connection = connect(path)
            if connection is None:
                # Left by a killed agent; the next agent replaces the socket at the current path.
                if path.name != "agent.sock":
                    path.unlink(missing_ok=True)
                return
            with connection:
                answers.extend(_tell(connection, {"do": do, "version": __version__, **(more or {})}, whom))
        except (OSError, ShellvaultError) as error:
            raise AgentError(f"the agent did not {do}: {error}") from error

    attempt_all([partial(tell, path) for path in [folder / "agent.sock", *folder.glob("old-*.sock")]])
    return answers


def _tell(connection: socket.socket, message: Message, whom: _Answers | None) -> list[Message]:
    """The answer of one agent, if it has not just exited. A hung agent can still be stopped."""
    try:
        answer = _converse(connection, message, whom)
    except AgentError:
        if message["do"] != "stop":
            raise
        pid = hardening.peer_pid(connection)
        if pid <= 0:
            # Zero would mean this process's own group (kill(2)).
            raise AgentError(
                "the agent hangs, and runs where its process cannot be seen: stop it there"
            ) from None
        os.kill(pid, signal.SIGKILL)
        return [{}]
    return [] if answer is None else [answer]
