"""Whose environment, folder and helper programs a session is got with: those of the command that asked."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shellvault import __version__, guard
from shellvault.agent import caller
from shellvault.agent.caller import Callers
from shellvault.fastlane import request
from tests.agent.conftest import Place, outcome, read_all, session_message, until, until_asked

#: A process of its own that asks for a session, in whatever namespaces it was started.
ASK = """
import os, sys
from shellvault.client import agent as client
from shellvault.errors import ShellvaultError
from tests.agent.conftest import Person
try:
    print(client.obtain(sys.argv[1], "exec", Person(), dict(os.environ), waits_for=print, fresh=len(sys.argv) > 2))
except ShellvaultError as error:
    print(type(error).__name__, error)
"""
CHECKOUT = str(Path(__file__).resolve().parents[2])


def ask(
    place: Place, profile: str, folder: Path, *before: str, fresh: bool = False, **more: str
) -> subprocess.CompletedProcess[str]:
    """What a command in `folder` gets; `before` are the words that start it, in other namespaces perhaps."""
    more.setdefault("PYTHONPATH", CHECKOUT)
    command = [*before, sys.executable, "-c", ASK, place.line(profile), *["fresh"] * fresh]
    return subprocess.run(
        command, cwd=folder, env=place.environment | more, capture_output=True, text=True, timeout=30
    )


def notes(place: Place, what: str) -> list[str]:
    """What the worker has noted with this word before it."""
    path = place.home / "calls"
    lines = path.read_text().splitlines() if path.exists() else []
    return [line.removeprefix(f"{what}:") for line in lines if line.startswith(f"{what}:")]


def test_a_helper_program_runs_in_the_command_s_folder(agent: Place, tmp_path: Path) -> None:
    done = ask(agent, "helper", tmp_path, ONLY_HERE="yes", AWS_SECRET_ACCESS_KEY="mine")
    assert done.stdout.startswith("exec ASIA"), done.stdout + done.stderr
    assert notes(agent, "helped") == [str(tmp_path)]
    assert (tmp_path / "ran").read_text() == f"{tmp_path} yes\n"


def test_a_failing_helper_program_runs_and_is_reported_once(agent: Place, tmp_path: Path) -> None:
    (tmp_path / "ran").mkdir()
    tmp_path.chmod(0o500)
    done = ask(agent, "helper", tmp_path)
    assert done.stdout.startswith("SessionError credential_process of profile helper failed with status ")
    assert done.stdout.count("helper failed") == 1
    assert agent.calls("start") == 1


def test_a_text_request_leaves_helper_programs_to_the_command(agent: Place) -> None:
    assert agent.text("get", "env.bash", "helper") == "needs-you\n"
    assert notes(agent, "helped") == []


def test_a_renewal_runs_it_where_the_command_had_asked(agent: Place, tmp_path: Path) -> None:
    ask(agent, "helper-life-3", tmp_path, ONLY_HERE="yes")
    agent.text("peek", "env.bash", "helper-life-3", os.getpid())
    until(lambda: len(notes(agent, "helped")) >= 2)
    assert set(notes(agent, "helped")) == {str(tmp_path)}
    assert set((tmp_path / "ran").read_text().splitlines()) == {f"{tmp_path} yes"}


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to make namespaces")
@pytest.mark.parametrize("kind", ["--mount", "--net", "--pid", "--user"])
def test_the_worker_runs_nothing_for_other_namespaces(agent: Place, tmp_path: Path, kind: str) -> None:
    there = ("unshare", kind, "--fork") if kind == "--pid" else ("unshare", kind)
    done = ask(agent, "helper-life-3", tmp_path, *there)
    # It has run its own, and only it gets the result.
    assert done.stdout.startswith("exec ASIA"), done.stdout + done.stderr
    assert (tmp_path / "ran").read_text().count("\n") == 1
    with agent.connect() as local:
        local.sendall(session_message(agent, "helper-life-3"))
        until_asked(local)
    # Nor does an endpoint of theirs, for a process that they name, run one.
    endpoint = {"do": "endpoint", "version": __version__, "request": agent.line("helper-life-3")}
    endpoint |= {"pid": os.getpid(), "environment": agent.environment, "directory": str(tmp_path)}
    script = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); "
    script += "s.sendall(sys.argv[2].encode() + b'\\n'); print(s.recv(9999).decode())"
    found = subprocess.run(
        [*there, sys.executable, "-c", script, str(agent.socket_path), json.dumps(endpoint)],
        capture_output=True,
        text=True,
        timeout=30,
    )
    variables = json.loads(found.stdout)["result"]
    answer = subprocess.run(
        [
            "curl",
            "-s",
            "-H",
            f"Authorization: {variables['AWS_CONTAINER_AUTHORIZATION_TOKEN']}",
            variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"],
        ],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert json.loads(answer.stdout)["code"] == "NeedsPerson"
    assert (tmp_path / "ran").read_text().count("\n") == 1


def messages(place: Place) -> dict[str, bytes]:
    """One message for everything in the table that can be asked by one."""
    who = {"version": __version__, "environment": place.environment, "directory": "/"}
    line = place.line("work")
    plain = {
        "status": {},
        "forget": {"profiles": None},
        "lock": {},
        "stop": {},
        "revoke": {"profiles": None, "pid": None},
        "endpoint": {"request": line, "pid": os.getpid()},
        "questions": {},
        "permits": {},
        "approve": {"number": 1, "seconds": None, "narrowing": {}},
        "deny": {"number": 1, "always": False},
        "end-permit": {"number": 1},
        "lease": {"profiles": ["work"], "narrowing": {}, "seconds": 60},
    }
    made = {do: json.dumps({"do": do, **who, **more}).encode() + b"\n" for do, more in plain.items()}
    for do in guard.VAULT_OPERATIONS:
        message = {"do": "vault", "operation": {"do": do, "name": "work", "path": "/tmp/x"}, "backend": None}
        made[do] = json.dumps(message | who).encode() + b"\n"
    for form in guard.SIGN_INS:
        made[form] = session_message(place, "work", form)
    made["session"] = session_message(place, "work")
    made["text"] = f"SV1 {__version__} get env.bash - {line}\n".encode()
    return made


#: Sends messages, one a connection, and prints what came back.
SEND = """
import json, socket, sys
for message in json.load(sys.stdin):
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(5)
        asking.connect(sys.argv[1])
        asking.sendall(message.encode())
        reply = b""
        try:
            while data := asking.recv(65536):
                reply += data
        except OSError:
            pass
        print(json.dumps(reply.decode()))
"""


def send_from(place: Place, there: tuple[str, ...], sent: list[bytes], **more: str) -> list[str]:
    """What the agent answers to messages of a process that these words start."""
    done = subprocess.run(
        [*there, sys.executable, "-c", SEND, str(place.socket_path)],
        input=json.dumps([message.decode() for message in sent]),
        env=place.environment | more,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to make namespaces")
@pytest.mark.parametrize("kind", ["--mount", "--net", "--pid", "--user"])
def test_other_namespaces_get_only_what_the_table_allows(agent: Place, kind: str) -> None:
    there = ("unshare", kind, "--fork") if kind == "--pid" else ("unshare", kind)
    sent = messages(agent)
    found_later = {"vault", *guard.FOUND_LATER}
    assert set(sent) | found_later == set(guard.OPERATIONS)
    before = agent.status()["pid"]
    for name, reply in zip(sent, send_from(agent, there, list(sent.values())), strict=True):
        is_refused = guard.ELSEWHERE in reply
        assert is_refused != guard.OPERATIONS[name].from_anywhere, f"{name}: {reply}"
    # Nor does another version have it leave.
    other = [message.replace(__version__.encode(), b"0.0.1") for message in sent.values()]
    send_from(agent, there, other)
    assert agent.status()["pid"] == before
    assert agent.text("get", "env.bash", "work").startswith("ok\n")


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to make namespaces")
@pytest.mark.parametrize(
    "variable",
    sorted({"AWS_CONFIG_FILE", "HOME", *request.OVERRIDES, *request.OPTIONS} - guard.SAID_FROM_ANYWHERE),
)
def test_other_namespaces_name_no_file_host_or_program(agent: Place, variable: str) -> None:
    said = {variable: "/elsewhere"}
    options = said if variable in request.OPTIONS else {}
    line = request.encode("work", options, agent.environment | said, "/")
    sent = [
        session_message(agent, "work", request=line),
        f"SV1 {__version__} get env.bash - {line}\n".encode(),
        f"SV1 {__version__} peek env.bash - {line}\n".encode(),
    ]
    session, text, _ = send_from(agent, ("unshare", "--mount"), sent)
    assert guard.ELSEWHERE in session
    assert text == "miss\n"
    assert agent.calls("start") == 0


def test_a_process_that_keeps_others_out_stays_one_of_ours(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`add` protects itself before it reads keys; the agent has seen it before (`client.introduce`)."""

    def refuse(pid: int | str, name: str) -> Path:
        raise PermissionError

    ours, theirs = socket.socketpair()
    with ours, theirs:
        callers = Callers(place.environment)
        with monkeypatch.context() as protected:
            protected.setattr(caller, "_namespace", refuse)
            assert not callers.is_local(ours)
        assert callers.is_local(ours)
        with monkeypatch.context() as protected:
            protected.setattr(caller, "_namespace", refuse)
            assert callers.is_local(ours)
            fresh = Callers(place.environment)
            fresh.restore(json.loads(json.dumps(callers.state())))
            assert fresh.is_local(ours)


@contextmanager
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process of this user's that is neither above nor below one that asks."""
    with subprocess.Popen(["setsid", "sleep", "60"]) as process:
        try:
            yield process
        finally:
            process.kill()


def test_no_process_gets_a_token_for_another_process(agent: Place) -> None:
    with stranger() as other:
        who = {"version": __version__, "environment": agent.environment, "directory": "/"}
        endpoint = {"do": "endpoint", "request": agent.line("work"), **who}
        for pid in (other.pid, 1, -1, 0, 2**31 - 1):
            sent = json.dumps(endpoint | {"pid": pid}).encode() + b"\n"
            assert send_from(agent, ("setsid", "-w"), [sent]) == [""], pid
        assert agent.status()["endpoint_users"] == []


def test_no_process_gets_the_secret_of_another_shell(agent: Place) -> None:
    with stranger() as shell:
        # The shell's own command is a child of this process, as the shell is: so it has a secret.
        assert "__shellvault_secret" in agent.text("get", "env.zsh", "work", shell.pid)
        sent = [
            f"SV1 {__version__} {verb} {form} {shell.pid} {agent.line('work')}\n".encode()
            for verb in ("get", "peek")
            for form in ("env.zsh", "env.powershell", "refresh.zsh")
        ]
        sent.append(session_message(agent, "work", "env.zsh", pid=shell.pid))
        replies = send_from(agent, ("setsid", "-w"), sent)
        assert "ok" in "".join(replies)
        assert "__shellvault_secret" not in "".join(replies)
        direct = f"SV1 - peek env.zsh {shell.pid} {agent.line('work')}\n".encode()
        assert send_from(agent, ("setsid", "-w"), [direct]) == ["miss\n"]


def test_a_command_s_proxy_serves_only_it_and_its_renewals(agent: Place, tmp_path: Path) -> None:
    environment = agent.environment | {"HTTPS_PROXY": "http://a"}
    agent.send(session_message(agent, "environment-life-3-a", pid=os.getpid(), environment=environment))
    ask(agent, "environment-b", tmp_path, HTTPS_PROXY="http://b")
    ask(agent, "environment-c", tmp_path)
    until(lambda: len(notes(agent, "proxy")) >= 4)
    assert set(notes(agent, "proxy")) == {"a=http://a", "b=http://b", "c="}


@pytest.mark.parametrize("how", ["session", "text"])
def test_a_shell_is_not_renewed_through_another_command_s_proxy(
    agent: Place, tmp_path: Path, how: str
) -> None:
    """The shell has the session first; then some command gets a fresh one by way of a proxy of its own."""
    profile, shell = "environment-life-4-a", os.getpid()
    if how == "session":
        environment = agent.environment | {"HTTPS_PROXY": "http://mine"}
        assert b"result" in agent.send(session_message(agent, profile, pid=shell, environment=environment))
    else:
        # As the fast lane, which says nothing of itself, when some command has had the session before.
        ask(agent, profile, tmp_path, HTTPS_PROXY="http://other")
        text = f"SV1 {__version__} get env.bash {shell} {agent.line(profile)}\n".encode()
        assert send_from(agent, (), [text], HTTPS_PROXY="http://mine")[0].startswith("ok")
    ask(agent, profile, tmp_path, fresh=True, HTTPS_PROXY="http://other")
    before = len(notes(agent, "proxy"))
    until(lambda: len(notes(agent, "proxy")) >= before + 2)
    assert set(notes(agent, "proxy")[before:]) == {"a=http://mine"}


def test_a_shell_s_request_has_the_shell_s_own_environment(agent: Place) -> None:
    ask(agent, "environment-b", Path("/"), HTTPS_PROXY="http://b")
    asked = f"SV1 {__version__} get env.bash - {agent.line('environment-a')}\n"
    script = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); "
    script += "s.sendall(sys.argv[2].encode()); print(s.recv(9999).decode())"
    done = subprocess.run(
        [sys.executable, "-c", script, str(agent.socket_path), asked],
        env=agent.environment | {"HTTPS_PROXY": "http://a"},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stdout.startswith("ok\n")
    assert notes(agent, "proxy") == ["b=http://b", "a=http://a"]


def test_when_a_command_ends_the_next_runs_its_helper_program(agent: Place) -> None:
    with agent.connect() as first, agent.connect() as second:
        first.sendall(session_message(agent, "helper"))
        until_asked(first)
        second.sendall(session_message(agent, "helper", directory="/tmp"))
        until(lambda: agent.status()["jobs"] == 1)
        first.close()
        until_asked(second)
        second.sendall(b'{"answer":"L3RtcA=="}\n')
        assert "result" in outcome(read_all(second))
    assert notes(agent, "helped") == ["/tmp"]


def test_errors_of_a_helper_program_are_the_session_s(agent: Place) -> None:
    with agent.connect() as command:
        command.sendall(session_message(agent, "helper"))
        until_asked(command)
        command.sendall(b'{"failed":"it is broken"}\n')
        assert outcome(read_all(command))["error"] == {"type": "SessionError", "message": "it is broken"}


def test_a_command_that_cannot_answer_says_so(agent: Place) -> None:
    with agent.connect() as command:
        command.sendall(session_message(agent, "helper"))
        until_asked(command)
        command.sendall(b'{"answer":null}\n')
        assert outcome(read_all(command))["error"]["type"] == "NeedsPersonError"


@pytest.mark.parametrize("answer", [b'{"failed":null}', b'{"answer":1}', b'{"answer":"","failed":""}', b"{}"])
def test_what_is_no_answer_ends_the_connection(agent: Place, answer: bytes) -> None:
    with agent.connect() as command:
        command.sendall(session_message(agent, "helper"))
        until_asked(command)
        command.sendall(answer + b"\n")
        assert b"result" not in read_all(command)
