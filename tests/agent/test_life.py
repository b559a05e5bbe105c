"""How the agent comes, makes room for another version, and goes."""

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shellvault import __version__, hardening
from shellvault.client import agent as client
from shellvault.client import starting
from shellvault.errors import AgentError
from tests.agent.conftest import (
    STAND_IN,
    Person,
    Place,
    has_ended,
    looks_into_the_agent,
    outcome,
    read_all,
    session_message,
    until,
    until_asked,
)

START = "import os, sys; from shellvault.client import agent; agent.ensure_agent(dict(os.environ))"


def agents(place: Place) -> list[int]:
    """The processes whose command line names this place's runtime directory."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if str(place.socket_path.parent).encode() in words:
                found.append(int(entry.name))
    return found


def test_fifty_commands_at_once_start_one_agent(place: Place) -> None:
    commands = [subprocess.Popen([sys.executable, "-c", START], env=place.environment) for _ in range(50)]
    assert [command.wait(60) for command in commands] == [0] * 50
    until(lambda: len(agents(place)) == 1)
    assert agents(place) == [place.status()["pid"]]


@looks_into_the_agent
def test_the_agent_is_detached_from_the_command_that_started_it(place: Place) -> None:
    with (place.home / "held").open("w") as held:
        subprocess.run(
            [sys.executable, "-c", START], env=place.environment, check=True, pass_fds=[held.fileno()]
        )
    pid = place.status()["pid"]
    assert os.getsid(pid) != os.getsid(0)
    assert Path(f"/proc/{pid}/cwd").readlink() == Path("/")
    descriptors = {Path(f"/proc/{pid}/fd/{name}").readlink() for name in os.listdir(f"/proc/{pid}/fd")}
    assert place.home / "held" not in descriptors
    assert all(Path(f"/proc/{pid}/fd/{number}").readlink() == Path("/dev/null") for number in range(3))


@looks_into_the_agent
def test_the_agents_environment_has_no_secrets(place: Place) -> None:
    secrets = {
        "AWS_SECRET_ACCESS_KEY": "verysecret",
        "SHELLVAULT_FILE_PASSPHRASE": "verysecret",
        "TOKEN": "verysecret",
    }
    subprocess.run([sys.executable, "-c", START], env=place.environment | secrets, check=True)
    environment = Path(f"/proc/{place.status()['pid']}/environ").read_bytes()
    assert b"HOME=" in environment
    assert b"verysecret" not in environment


def test_the_agent_leaves_no_core(agent: Place) -> None:
    limits = Path(f"/proc/{agent.status()['pid']}/limits").read_text().splitlines()
    assert next(line.split()[4:6] for line in limits if line.startswith("Max core")) == ["0", "0"]


def test_a_protected_process_cannot_be_debugged_by_its_user() -> None:
    # PR_GET_DUMPABLE is 3 (prctl(2)); what is not dumpable cannot be traced either (ptrace(2)).
    look = "import ctypes, sys; from shellvault import hardening; {} sys.exit(ctypes.CDLL(None).prctl(3))"
    for protect, dumpable in (("", 1), ("hardening.protect_process();", 0)):
        assert subprocess.run([sys.executable, "-c", look.format(protect)]).returncode == dumpable


def test_folder_and_socket_are_private(agent: Place) -> None:
    assert stat.S_IMODE(agent.socket_path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(agent.socket_path.stat().st_mode) == 0o600


def test_a_second_agent_gives_way(agent: Place) -> None:
    before = agent.status()["pid"]
    second = subprocess.run(
        [sys.executable, "-S", str(STAND_IN), str(agent.socket_path.parent)],
        env=agent.environment,
        timeout=10,
    )
    assert second.returncode == 0
    assert agent.status()["pid"] == before


def test_the_socket_of_a_killed_agent_is_replaced(place: Place) -> None:
    place.start().kill()
    until(lambda: not place.is_serving())
    assert place.socket_path.exists()
    client.ensure_agent(place.environment)
    assert place.status()["version"] == __version__


@pytest.mark.parametrize("what", ["link", "file", "mode"])
def test_a_folder_that_is_not_private_is_not_used(place: Place, tmp_path: Path, what: str) -> None:
    folder = place.socket_path.parent
    if what == "mode":
        folder.chmod(0o755)
        # `locations` takes others' access away again, so what is left is the check of the folder itself.
        process = place.start()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        process.kill()
        return
    folder.rmdir()
    if what == "file":
        folder.write_text("")
    else:
        folder.symlink_to(tmp_path)
    with pytest.raises(AgentError, match="cannot be used"):
        client.ensure_agent(place.environment)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to give a folder away")
@pytest.mark.parametrize("change", ["others may write", "of another user"])
def test_a_folder_that_others_can_exchange_is_not_used(place: Place, change: str) -> None:
    if change == "others may write":
        place.home.chmod(0o777)
    else:
        os.chown(place.home, 12345, 12345)
    with pytest.raises(AgentError, match="other users may change"):
        client.ensure_agent(place.environment)
    place.home.chmod(0o1777)
    os.chown(place.home, 0, 0)
    client.ensure_agent(place.environment)


def ask_as_another_user(path: Path, data: bytes) -> bytes:
    """What a process of user 12345 gets from this socket; the error's name where it gets none."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setuid(12345)
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(10)
                connection.connect(str(path))
                connection.sendall(data)
                os.write(writing, b"reply:" + read_all(connection))
        except OSError as error:
            os.write(writing, type(error).__name__.encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        found = pipe.read()
    os.waitpid(child, 0)
    return found


@pytest.fixture
def open_place() -> Iterator[Place]:
    """An agent below a folder that every user may enter, with a session."""
    with tempfile.TemporaryDirectory() as name:
        place = Place(Path(name))
        (place.home / "run").mkdir(mode=0o755)
        place.home.chmod(0o755)
        process = place.start()
        place.obtain("work")
        yield place
        process.kill()
        process.wait()


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become another user")
def test_another_user_finds_no_way_to_the_socket(open_place: Place) -> None:
    assert ask_as_another_user(open_place.socket_path, b"x") == b"PermissionError"


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become another user")
def test_another_user_is_refused_even_if_file_modes_let_it_in(open_place: Place) -> None:
    path, request = (
        open_place.socket_path,
        f"SV1 {__version__} get env.bash - {open_place.line('work')}\n".encode(),
    )
    path.parent.chmod(0o755)
    path.chmod(0o777)
    assert ask_as_another_user(path, request) in (b"reply:", b"BrokenPipeError")
    path.parent.chmod(0o700)
    assert open_place.send(request).startswith(b"ok\n")


def test_an_agent_of_another_version_makes_room(agent: Place) -> None:
    before = agent.status()["pid"]
    assert agent.text("get", "env.bash", "work", version="0.0.1") == "miss\n"
    until(lambda: has_ended(before))
    assert not agent.socket_path.exists()


def test_a_command_of_another_version_starts_its_own_agent(
    agent: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = agent.status()["pid"]
    replies = [json.loads(agent.send(session_message(agent, "work", version="0.0.1")))]
    assert replies == [{"retry": True}]
    client.ensure_agent(agent.environment)
    assert agent.status()["pid"] != before


def test_waiters_of_the_old_agent_still_get_an_answer(agent: Place) -> None:
    with agent.connect() as waiting:
        waiting.sendall(session_message(agent, "ask"))
        until_asked(waiting)
        agent.text("get", "env.bash", "work", version="0.0.1")
        client.ensure_agent(agent.environment)
        waiting.sendall(b'{"answer":"123456"}\n')
        assert b'"result"' in read_all(waiting)


@pytest.mark.parametrize("tell", [client.lock, client.stop])
def test_lock_and_stop_reach_an_old_agent_too(agent: Place, tell: Callable[[dict[str, str]], int]) -> None:
    with agent.connect() as waiting:
        waiting.sendall(session_message(agent, "ask"))
        until_asked(waiting)
        agent.text("get", "env.bash", "work", version="0.0.1")
        client.ensure_agent(agent.environment)
        assert tell(agent.environment) == 2


def test_stop_ends_the_agent_and_its_worker(agent: Place) -> None:
    agent.obtain("work")
    status = agent.status()
    assert client.stop(agent.environment) == 1
    until(lambda: not agent.is_serving())
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in status["workers"]))
    assert not agent.socket_path.exists()
    assert client.stop(agent.environment) == 0
    assert client.status(agent.environment) is None


def test_an_unreachable_agent_leaves(agent: Place) -> None:
    agent.obtain("unlock")
    pid = agent.status()["pid"]
    agent.socket_path.unlink()
    until(lambda: has_ended(pid), 15)


def test_an_agent_without_its_socket_lets_another_start(agent: Place) -> None:
    before = agent.status()["pid"]
    with agent.connect() as waiting:
        waiting.sendall(session_message(agent, "ask"))
        until_asked(waiting)
        agent.socket_path.unlink()
        time.sleep(10.5)
        client.ensure_agent(agent.environment)
        assert agent.status()["pid"] != before
        waiting.sendall(b'{"answer":"123456"}\n')
        assert b'"result"' in read_all(waiting)
    until(lambda: has_ended(before), 15)
    assert agent.status()["pid"] != before


def test_an_agent_that_cannot_start_is_not_waited_for(place: Place) -> None:
    place.socket_path.mkdir()
    start = time.monotonic()
    with pytest.raises(AgentError, match="does not start"):
        client.ensure_agent(place.environment)
    assert time.monotonic() - start < 4


@pytest.mark.parametrize("what", ["fifo", "file", "broken link"])
def test_a_file_in_the_sockets_place_is_replaced(place: Place, what: str) -> None:
    path = place.socket_path
    if what == "fifo":
        os.mkfifo(path)
        os.mkfifo(path.with_name("starting.lock"))
    elif what == "file":
        path.write_text("x")
    else:
        path.symlink_to("nowhere")
    client.ensure_agent(place.environment)
    assert place.status()["version"] == __version__


def test_the_worker_dies_with_a_killed_agent(place: Place) -> None:
    process = place.start()
    place.obtain("work")
    worker = place.status()["workers"][0]
    process.kill()
    process.wait()
    until(lambda: not Path(f"/proc/{worker}").exists())


def test_the_death_of_the_agent_ends_the_wait_at_once(place: Place) -> None:
    process = place.start()
    with place.connect() as connection:
        connection.sendall(session_message(place, "wait-5"))
        time.sleep(0.2)
        process.kill()
        process.wait()
        assert outcome(read_all(connection)) == {"alive": True}


def test_an_agent_with_nothing_to_do_leaves(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from shellvault.agent import server

    monkeypatch.setattr(server, "IDLE", 0.3)
    monkeypatch.setattr(server, "LOOK_AROUND", 0.2)
    start = time.monotonic()
    server.Agent(place.socket_path.parent, ("/bin/false",), {}).run(lambda: None)
    assert 0.3 <= time.monotonic() - start < 5
    assert not place.socket_path.exists()


def test_an_agent_stays_for_a_shell_that_is_alive(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from shellvault.agent import server

    monkeypatch.setattr(server, "IDLE", 0.3)
    monkeypatch.setattr(server, "LOOK_AROUND", 0.2)
    shell = subprocess.Popen(["sleep", "1"])
    agent = server.Agent(place.socket_path.parent, ("/bin/false",), {})
    agent.use(place.line("work"), shell.pid)
    agent.loop.later(1.2, shell.poll)
    start = time.monotonic()
    agent.run(lambda: None)
    shell.wait()
    assert time.monotonic() - start >= 1.2


def test_a_stopped_agent_hangs_no_command(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    process = place.start()
    monkeypatch.setattr(client, "ANSWER_PATIENCE", 1.0)
    process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(AgentError, match="does not answer"):
            place.obtain("work")
        with pytest.raises(AgentError, match="the agent did not lock"):
            client.lock(place.environment)
        assert client.stop(place.environment) == 1
        assert process.wait(10) == -signal.SIGKILL
    finally:
        process.kill()
        process.wait()


def test_a_command_waits_for_a_slow_worker_of_a_living_agent(
    agent: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "ANSWER_PATIENCE", 4.0)
    assert agent.obtain("wait-5")


@pytest.mark.parametrize("victim", ["agent", "worker", "command"])
def test_nothing_hangs_or_stays_locked_when_killed_at_any_moment(place: Place, victim: str) -> None:
    rounds = int(os.environ.get("SHELLVAULT_KILL_ROUNDS", "12")) // 3 or 1
    for number in range(rounds):
        process = place.start()
        command = place.connect()
        command.sendall(session_message(place, f"life-600-tell-{number}"))
        time.sleep(0.15 * (number + 1) / rounds)
        if victim == "agent":
            process.kill()
        elif victim == "worker":
            for worker in place.status()["workers"]:
                os.kill(worker, signal.SIGKILL)
        else:
            command.close()
        start = time.monotonic()
        if victim != "command":
            read_all(command)
            command.close()
        if victim == "agent":
            process.wait()
            process = place.start()
        assert place.obtain(f"after-{number}", person=Person())
        assert time.monotonic() - start < 10
        process.kill()
        process.wait()


@pytest.mark.parametrize("number", [1, 2], ids=["the one kept ready", "and the one before"])
def test_workers_that_have_just_died_cost_no_job(place: Place, number: int) -> None:
    process = place.start()
    try:
        with place.connect() as command:
            command.sendall(session_message(place, "first"))
            assert "result" in outcome(read_all(command))
        # The one that has had a job ends after a second, the next one is there.
        workers = until(lambda: len(found := place.status()["workers"]) == number and found)
        with place.connect() as command:
            assert place.status()["pid"] == process.pid
            process.send_signal(signal.SIGSTOP)
            # What the agent finds when it goes on, in this order.
            command.sendall(session_message(place, "second"))
            for worker in workers:
                os.kill(worker, signal.SIGKILL)
            process.send_signal(signal.SIGCONT)
            assert "result" in outcome(read_all(command))
    finally:
        process.kill()
        process.wait()


def test_an_agent_in_no_visible_process_is_not_killed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    process = place.start()
    monkeypatch.setattr(client, "ANSWER_PATIENCE", 0.5)
    # What SO_PEERCRED gives for a process of another pid namespace (pid_namespaces(7)).
    monkeypatch.setattr(hardening, "peer_pid", lambda connection: 0)
    process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(AgentError, match="stop it there"):
            client.stop(place.environment)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to make namespaces")
def test_stop_from_another_pid_namespace_ends_only_the_agent(place: Place) -> None:
    process = place.start()
    process.send_signal(signal.SIGSTOP)
    script = (
        "from shellvault.client import agent as client; import os\n"
        "client.ANSWER_PATIENCE = 0.5\n"
        "try: client.stop(dict(os.environ))\n"
        "except Exception as error: print(error)\n"
    )
    command = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", script]
    try:
        done = subprocess.run(
            command, env=place.environment, capture_output=True, text=True, timeout=30, start_new_session=True
        )
        assert "stop it there" in done.stdout, done.stderr
    finally:
        process.kill()
        process.wait()


def test_a_stopped_worker_is_reported_and_then_bypassed(agent: Place) -> None:
    with agent.connect() as command:
        command.sendall(session_message(agent, "wait-60"))
        until(lambda: agent.calls("start") == 1)
        (worker,) = agent.status()["workers"]
        os.kill(worker, signal.SIGSTOP)
        start = time.monotonic()
        messages = [json.loads(line) for line in read_all(command).splitlines()]
    told = [message["tell"] for message in messages if "tell" in message]
    assert told == [f"the agent's worker (process {worker}) does not answer: it is ended soon"]
    assert messages[-1]["error"]["type"] == "AgentError"
    assert time.monotonic() - start < 15
    assert agent.obtain("work")


def test_a_job_for_a_stopped_worker_goes_to_another(place: Place) -> None:
    process = place.start()
    with place.connect() as command:
        command.sendall(session_message(place, "work"))
        # Before it has begun.
        (worker,) = until(lambda: place.status()["workers"])
        os.kill(worker, signal.SIGSTOP)
        assert "result" in outcome(read_all(command))
    process.kill()
    process.wait()


def test_a_full_queue_of_connections_is_waited_for(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    path = tmp_path / "agent.sock"
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(str(path))
        listener.listen(1)
        with contextlib.suppress(BlockingIOError):
            while True:
                waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
                waiting.setblocking(False)
                waiting.connect(str(path))
        later = threading.Timer(0.2, lambda: stack.enter_context(listener.accept()[0]))
        later.start()
        connection = starting.connect(path)
        later.join()
        assert connection
        connection.close()
