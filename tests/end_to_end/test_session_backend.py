"""`session_backend` decides where sessions are kept, and what that costs: reads of the keys, dialogs, calls, codes."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conftest import Person, settle
from tests.real_keyring import PrivateKeyring
from tests.support.emulator import Aws
from tests.support.home import Home
from tests.support.sts_front import StsFront

pytestmark = pytest.mark.real

KEY_ID = ("printenv", "AWS_ACCESS_KEY_ID")

#: A stand-in for passage, which notes each call and keeps files as they are.
COUNTING = """#!/bin/sh
set -eu
echo "$*" >>"$HOME/vault calls"
store=$PASSAGE_DIR
command=$1; shift
while [ "${1#-}" != "$1" ]; do word=$1; shift; [ "$word" = -- ] && break; done
case $command in
    show) cat "$store/$1.age" ;;
    insert) mkdir -p "$(dirname "$store/$1")"; cat >"$store/$1.age" ;;
    mv) mv -f "$store/$1.age" "$store/$2.age" ;;
    rm) rm -f "$store/$1.age" ;;
esac
"""


def with_role(person: Person) -> None:
    """Adds a profile `role`, whose session costs a call and nobody's time."""
    person.configure(f"[profile role]\nsource_profile = work\nrole_arn = {person.role('r')}")


def key_id(person: Person, profile: str) -> str:
    return person.home.succeed("exec", profile, "--", *KEY_ID)


@pytest.fixture
def alone(home: Home, aws: Aws, front: StsFront) -> Person:
    """A person without an agent, whose keys are in an encrypted file."""
    person = settle(home, aws, front)
    with_role(person)
    return person


@pytest.mark.parametrize("place", [None, "vault"])
def test_without_an_agent_processes_share_role_sessions(alone: Person, place: str | None) -> None:
    if place:
        alone.home.environment["SHELLVAULT_SESSION_BACKEND"] = place
    command = ("shellvault", "exec", "role", "--", *KEY_ID)
    alone.front.delay = 0.5
    started = [alone.home.start(*command) for _ in range(5)]
    results = [(*each.communicate(timeout=60), each.returncode) for each in started]
    assert [status for _, _, status in results] == [0] * 5, results
    assert {out for out, _, _ in results} == {key_id(alone, "role")}
    assert alone.front.calls == ["AssumeRole"]
    alone.home.succeed("clear", "work")
    assert key_id(alone, "role") != results[0][0]


def test_what_a_program_of_the_users_gave_stays_in_its_process(alone: Person) -> None:
    given = {
        "Version": 1,
        "AccessKeyId": alone.keys.access_key_id,
        "SecretAccessKey": alone.keys.secret_access_key,
    }
    Path(alone.home.path, "given").write_text(json.dumps(given))
    alone.configure(
        f"[profile made]\ncredential_process = cat {alone.home.path}/given\n"
        f"[profile above]\nsource_profile = made\nrole_arn = {alone.role('above')}"
    )
    assert key_id(alone, "above") != key_id(alone, "above")


def test_with_agent_as_the_place_no_vault_has_a_session(alone: Person) -> None:
    alone.home.environment["SHELLVAULT_SESSION_BACKEND"] = "agent"
    del alone.home.environment["SHELLVAULT_NO_AGENT"]
    assert key_id(alone, "guarded") == key_id(alone, "guarded")
    assert alone.front.calls == ["GetSessionToken"]
    assert "kept in memory" in alone.home.succeed("why", "guarded")
    # A new agent finds nothing.
    alone.home.succeed("agent", "stop")
    key_id(alone, "guarded")
    assert alone.front.calls == ["GetSessionToken"] * 2


@pytest.mark.parametrize("agent", [False, True], ids=["alone", "agent"])
def test_keys_in_a_file_and_sessions_in_the_keyring(
    alone: Person, keyring: PrivateKeyring, agent: bool
) -> None:
    environment = alone.home.environment
    environment["DBUS_SESSION_BUS_ADDRESS"] = keyring.environment["DBUS_SESSION_BUS_ADDRESS"]
    environment["SHELLVAULT_SESSION_BACKEND"] = "secret-service"
    if agent:
        del environment["SHELLVAULT_NO_AGENT"]
    before = [key_id(alone, name) for name in ("guarded", "role")]
    if agent:
        alone.home.succeed("agent", "stop")
    # They come from the keyring, where another process has put them.
    assert [key_id(alone, name) for name in ("guarded", "role")] == before
    assert alone.front.calls == ["GetSessionToken", "AssumeRole"]
    assert "kept in secret-service" in alone.home.succeed("why", "role")
    keyring.lock()
    if agent:
        alone.home.succeed("agent", "stop")
    said = alone.home.fail("exec", "role", "--", "true")
    assert "keyring (secret-service) is locked" in said
    assert "another vault with session_backend" in said


def test_a_place_that_is_none_is_one_line(alone: Person) -> None:
    alone.home.environment["SHELLVAULT_SESSION_BACKEND"] = "cloud"
    assert "use one of agent, vault" in alone.home.fail("exec", "work", "--", "true")


# What a command costs.


@pytest.mark.parametrize("agent", [False, True], ids=["alone", "agent"])
@pytest.mark.parametrize("command", ["work", "guarded", "role", "-n work", "guarded again"])
def test_a_command_reads_the_keys_once_at_most(
    home: Home, aws: Aws, front: StsFront, agent: bool, command: str
) -> None:
    programs = home.path / "bin"
    programs.mkdir()
    (programs / "passage").write_text(COUNTING)
    (programs / "passage").chmod(0o755)
    store = home.path / ".passage" / "store"
    store.mkdir(parents=True)
    (home.path / ".passage" / "identities").touch()
    home.environment.update(
        PATH=f"{programs}:{home.environment['PATH']}", PASSAGE_DIR=str(store), SHELLVAULT_BACKEND="passage"
    )
    if agent:
        del home.environment["SHELLVAULT_NO_AGENT"]
    person = settle(home, aws, front)
    with_role(person)
    is_again = command.endswith(" again")
    words = command.removesuffix(" again").split()
    if is_again:
        home.succeed("exec", *words, "--", "true")
    calls = home.path / "vault calls"
    calls.unlink(missing_ok=True)
    home.succeed("exec", *words, "--", "true")
    lines = calls.read_text().splitlines() if calls.exists() else []
    assert sum("show" in line and "keys%2F" in line and "index" not in line for line in lines) == (
        0 if is_again else 1
    ), lines


class Dialogs:
    """A stand-in for the desktop's dialog of gnome-keyring: it counts the dialogs, and closes each unanswered."""

    NAME = "org.gnome.keyring.SystemPrompter"
    CALLBACK = "org.gnome.keyring.internal.Prompter.Callback"

    def __init__(self, address: str) -> None:
        from jeepney.bus_messages import message_bus
        from jeepney.io.blocking import Proxy, open_dbus_connection

        self.shown = 0
        self._connection = open_dbus_connection(address)
        assert Proxy(message_bus, self._connection).RequestName(self.NAME) == (1,)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        from jeepney import MessageType, new_method_return

        while True:
            try:
                message = self._connection.receive()
            except (OSError, EOFError):
                return
            if message.header.message_type is not MessageType.method_call:
                continue
            fields = {field.name: value for field, value in message.header.fields.items()}
            self._connection.send(new_method_return(message))
            what, who, path = fields["member"], fields["sender"], message.body[0]
            if what == "BeginPrompting":
                self._call_back(who, path, "PromptReady", "sa{sv}s", ("", {}, ""))
            elif what == "PerformPrompt":
                self.shown += 1
                self._call_back(who, path, "PromptReady", "sa{sv}s", ("no", {}, ""))
            elif what == "StopPrompting":
                self._call_back(who, path, "PromptDone", None, ())

    def _call_back(
        self, who: str, path: str, method: str, signature: str | None, body: tuple[Any, ...]
    ) -> None:
        from jeepney import DBusAddress, new_method_call

        address = DBusAddress(path, bus_name=who, interface=self.CALLBACK)
        self._connection.send(new_method_call(address, method, signature, body))

    def close(self) -> None:
        self._connection.sock.shutdown(2)
        self._thread.join(5)
        self._connection.close()


@contextmanager
def dialogs(keyring: PrivateKeyring) -> Iterator[Dialogs]:
    found = Dialogs(keyring.environment["DBUS_SESSION_BUS_ADDRESS"])
    try:
        yield found
    finally:
        found.close()


@pytest.mark.parametrize("agent", [False, True], ids=["alone", "agent"])
@pytest.mark.parametrize(
    "command", [("exec", "guarded", "--", "true"), ("list",), ("clear",), ("unlock",), ("why", "work")]
)
def test_a_keyrings_dialog_that_is_closed_is_not_shown_again(
    keyring_person: Person, keyring: PrivateKeyring, agent: bool, command: tuple[str, ...], tmp_path: Path
) -> None:
    environment = keyring_person.home.environment
    if agent:
        del environment["SHELLVAULT_NO_AGENT"]
    # Enough to have the keyring show a dialog; nothing of ours draws on it.
    environment["DISPLAY"] = ":77"
    keyring.lock()
    with dialogs(keyring) as shown:
        done = keyring_person.home.shellvault(*command)
        assert (done.returncode, "locked" in done.stderr, done.stderr.count("\n")) == (1, True, 1), done
        assert bool(done.stdout) == (command[0] in ("list", "why"))
        assert shown.shown == 1
