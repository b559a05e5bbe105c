"""What agent and worker still have in their memory after what they had it for: nothing."""

import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from shellvault import __version__, locations
from shellvault.client import agent as client
from shellvault.variables import for_agent
from shellvault.vault import sealed
from shellvault.vault.backends import file_path
from tests.end_to_end.conftest import Person, settle
from tests.support.emulator import Aws
from tests.support.home import PASSPHRASE, Home
from tests.support.memory import copies_in, needs_root
from tests.support.sts_front import StsFront

pytestmark = [pytest.mark.real, needs_root]

#: Seconds after which nothing of a job may be left: a worker stays for one second.
GONE = 10.0


@pytest.fixture
def person(home: Home, aws: Aws, front: StsFront) -> Person:
    """A person with an agent, whose vault is an encrypted file."""
    del home.environment["SHELLVAULT_NO_AGENT"]
    return settle(home, aws, front, by_command=True)


def processes(person: Person) -> list[int]:
    """The agent and its workers."""
    found = client.status(person.home.environment)
    assert found is not None
    return [found["pid"], *found["workers"]]


def vault_key(person: Person) -> sealed.Key:
    """What opens the person's encrypted file."""
    header = sealed.read_header(file_path(person.home.environment).read_bytes())
    return sealed.derive(PASSPHRASE, header.cost, header.salt)


def session(person: Person, profile: str = "work") -> tuple[str, str]:
    """Secret key and token of a session that the agent holds now."""
    found = json.loads(person.home.succeed("export", profile, "--format", "json"))
    return found["SecretAccessKey"], found["SessionToken"]


def until_gone(pids: Callable[[], list[int]], *secrets: str | bytes) -> None:
    """Waits until none of the secrets is in the memory of these processes."""
    deadline = time.monotonic() + GONE
    while copies := copies_in(pids(), *secrets):
        assert time.monotonic() < deadline, f"{copies} copies are left"
        time.sleep(0.05)


def test_after_lock_no_secret_is_left(person: Person) -> None:
    secret, token = session(person)
    key = vault_key(person)
    agent = processes(person)[0]
    assert copies_in([agent], key.master.hex()), "the agent keeps the vault unlocked"
    person.home.succeed("agent", "lock")
    found = processes(person)
    assert found[0] == agent
    assert copies_in(found, secret, token, key.master, key.master.hex(), PASSPHRASE) == 0
    assert person.home.succeed("exec", "work", "--", "printenv", "AWS_VAULT") == "work\n"


@pytest.mark.parametrize("command", [("clear",), ("clear", "work"), ("remove", "--force", "work")])
def test_after_clear_and_remove_no_session_is_left(person: Person, command: tuple[str, ...]) -> None:
    secrets = session(person)
    person.home.succeed(*command)
    assert copies_in(processes(person), *secrets, person.keys.secret_access_key) == 0


def test_stored_keys_are_not_in_the_agent_and_soon_in_no_worker(person: Person) -> None:
    assert copies_in([processes(person)[0]], person.keys.secret_access_key) == 0
    session(person)
    assert copies_in([processes(person)[0]], person.keys.secret_access_key) == 0
    until_gone(lambda: processes(person), person.keys.secret_access_key)


@pytest.mark.parametrize(
    "command",
    [
        ("exec", "-n", "work", "--", "printenv", "AWS_SECRET_ACCESS_KEY"),
        ("export", "-n", "work"),
        ("env", "-n", "work", "--shell", "bash"),
    ],
)
def test_long_term_keys_that_are_handed_out_pass_the_agent_by(
    person: Person, command: tuple[str, ...]
) -> None:
    assert person.keys.secret_access_key in person.home.succeed(*command)
    assert copies_in([processes(person)[0]], person.keys.secret_access_key) == 0
    until_gone(lambda: processes(person), person.keys.secret_access_key)


def message(person: Person, do: str, **more: Any) -> bytes:
    """The agent's whole answer to one message of a process of the same user."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(locations.socket_path(person.home.environment)))
        connection.sendall(json.dumps({"do": do, "version": __version__, **more}).encode() + b"\n")
        reply = b""
        while data := connection.recv(65536):
            reply += data
        return reply


def test_no_process_of_the_user_is_given_what_opens_the_vault(person: Person) -> None:
    path, key = str(file_path(person.home.environment)), vault_key(person)
    environment = for_agent(person.home.environment)
    replies = [
        message(person, "unlock", path=path, key=None),
        message(person, "status"),
        message(
            person, "vault", operation={"do": "list"}, backend=None, environment=environment, directory="/"
        ),
    ]
    assert b"work" in replies[-1]
    for reply in replies:
        for secret in (key.master.hex(), person.keys.secret_access_key, PASSPHRASE):
            assert secret.encode() not in reply


def endpoint_status(variables: str) -> int:
    """The HTTP status that the container endpoint of these variables gives."""
    found = dict(line.split("=", 1) for line in variables.splitlines())
    asked = urllib.request.Request(
        found["AWS_CONTAINER_CREDENTIALS_FULL_URI"],
        headers={"Authorization": found["AWS_CONTAINER_AUTHORIZATION_TOKEN"]},
    )
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=20) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


@contextmanager
def token_holder(person: Person) -> Iterator[str]:
    """The variables of a process that has a token of the endpoint, and lives for the block."""
    script = "env | grep ^AWS_CONTAINER > variables; : > done; exec sleep 60"
    holder = person.home.start("shellvault", "exec", "--server", "work", "--", "sh", "-c", script)
    try:
        deadline = time.monotonic() + 30
        while not (person.home.path / "done").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield Path(person.home.path, "variables").read_text()
    finally:
        holder.kill()
        holder.communicate()


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (("agent", "lock"), 0),
        (("clear",), 0),
        (("clear", "work"), 0),
        (("remove", "--force", "work"), 0),
        (("clear", "guarded"), 200),
    ],
)
def test_endpoint_tokens_die_with_the_sessions_that_they_are_for(
    person: Person, command: tuple[str, ...], status: int
) -> None:
    with token_holder(person) as variables:
        assert endpoint_status(variables) == 200
        person.home.succeed(*command)
        assert endpoint_status(variables) == status
