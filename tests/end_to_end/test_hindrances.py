"""What stands in the way of a command without being needed by it: full and read-only disks, closed outputs, floods."""

import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from shellvault import network
from shellvault.sessions import reply_limit
from tests.end_to_end.conftest import Person
from tests.support.http_front import Answer, serving

pytestmark = pytest.mark.real

SHOW = "shellvault exec guarded -- printenv AWS_ACCESS_KEY_ID"
#: Makes the state directory one that takes no byte more, with what was in it.
DISKS = {
    "full": "-o size=96k; cp -a kept/. $XDG_STATE_HOME; dd if=/dev/zero of=$XDG_STATE_HOME/fill bs=1k 2>/dev/null",
    "without inodes": "-o nr_inodes=40; cp -a kept/. $XDG_STATE_HOME; touch $XDG_STATE_HOME/{1..40} 2>/dev/null",
    "read-only": "-o size=96k; cp -a kept/. $XDG_STATE_HOME; mount -o remount,ro $XDG_STATE_HOME",
    "empty and read-only": "-o ro",
}


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to mount")
@pytest.mark.parametrize("disk", DISKS)
def test_a_state_directory_that_takes_nothing_stops_no_session(person: Person, disk: str) -> None:
    state = person.home.environment["XDG_STATE_HOME"]
    person.home.run("cp", "-a", state, "kept")
    # The agent's own folder stays writable; its worker has the same state directory.
    script = (
        f"mount -t tmpfs state $XDG_STATE_HOME {DISKS[disk]}; {SHOW} && {SHOW}; shellvault agent stop >&2"
    )
    done = person.home.run("unshare", "--mount", "bash", "-c", script)
    assert re.fullmatch(r"(ASIA\w+\n){2}", done.stdout), done.stdout + done.stderr
    assert "internal error" not in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to mount")
@pytest.mark.parametrize("person", ["agent"], indirect=True)
def test_a_read_only_home_stops_no_command_that_need_not_write(person: Person) -> None:
    commands = {
        "list": 0,
        "why work": 0,
        "init bash": 0,
        "init powershell": 0,
        "env --shell bash work": 0,
        "export work --format json": 0,
        "clear": 0,
        "agent status": 3,
        "agent stop": 0,
        "add other --env": 1,
    }
    each = "; ".join(f"shellvault {words} >out; echo $? '{words}' >&2" for words in commands)
    # Without a runtime directory, the agent's folder would be in the home too.
    script = (
        "mount -t tmpfs out /mnt; mount --bind $HOME $HOME; mount -o remount,ro,bind $HOME; cd /mnt; "
        f"unset XDG_RUNTIME_DIR; {each}"
    )
    done = person.home.run("unshare", "--mount", "bash", "-c", script)
    lines = done.stderr.splitlines()
    assert [line for line in lines if line[0].isdigit()] == [
        f"{status} {words}" for words, status in commands.items()
    ], done.stderr
    assert "internal error" not in done.stderr
    assert not [line for line in lines if "the agent did not" in line]


@pytest.mark.parametrize("arguments", ["env work", "export work --format json", "list", "init bash"])
def test_a_closed_output_is_one_line_that_says_so(person: Person, arguments: str) -> None:
    done = person.home.run("sh", "-c", f"shellvault {arguments} >&-")
    assert done.returncode == 1
    assert done.stderr == "shellvault: error: the result cannot be written: stdout is closed\n"


def test_an_error_is_said_where_the_output_is_closed(person: Person) -> None:
    done = person.home.run("sh", "-c", "shellvault env nope >&-")
    assert done.returncode == 1
    assert done.stderr.startswith("shellvault: error: there is no profile nope")


def test_a_message_never_takes_the_place_of_a_result(person: Person) -> None:
    done = person.home.run("sh", "-c", "shellvault export nope --format json 2>&-")
    assert (done.returncode, done.stdout) == (1, "")


@pytest.fixture
def endless() -> Iterator[str]:
    """The URL of a server that answers every request without end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = threading.Event()

        def answer(connection: socket.socket) -> None:
            with closing(connection):
                try:
                    connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                    while not ended.is_set():
                        connection.sendall(b"x" * 65536)
                except OSError:
                    return

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        ended.set()
        server.shutdown(socket.SHUT_RDWR)


def test_an_endless_reply_is_read_no_further_than_the_limit(person: Person, endless: str) -> None:
    person.home.environment["AWS_ENDPOINT_URL_STS"] = endless
    start = time.monotonic()
    script = "ulimit -v 1500000; shellvault exec work -- true"
    done = person.home.run("bash", "-c", script)
    assert done.returncode == 1
    assert f"{endless} answers without end: check endpoint_url and proxy" in done.stderr
    assert time.monotonic() - start < 15


def test_a_reply_as_long_as_the_limit_is_read() -> None:
    reply_limit.limit_replies()
    sizes = iter([network.REPLY_LIMIT, network.REPLY_LIMIT + 1])
    with serving(lambda headers, body: Answer(200, {}, b"x" * next(sizes))) as url:
        from botocore.awsrequest import AWSPreparedRequest
        from botocore.exceptions import HTTPClientError
        from botocore.httpsession import URLLib3Session

        request = AWSPreparedRequest("POST", url, {"Content-Length": "1"}, b"x", False)
        assert len(URLLib3Session().send(request).content) == network.REPLY_LIMIT
        with pytest.raises(HTTPClientError) as caught:
            URLLib3Session().send(request)
    assert reply_limit.is_endless(caught.value)
