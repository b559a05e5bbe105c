"""Keyrings that are locked, frozen, gone or empty: nothing hangs, what is known is shown, what can go is forgotten."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pexpect
import pytest

from tests.end_to_end.conftest import Person
from tests.real_keyring import PrivateKeyring
from tests.support.home import Home
from tests.support.prompter import prompter

pytestmark = pytest.mark.real

#: Seconds for a command that no person answers: one wait for a keyring, and a start on a busy machine.
PATIENCE = 14


@contextmanager
def frozen(keyring: PrivateKeyring, home: Home) -> Iterator[None]:
    keyring.stop()
    try:
        yield
    finally:
        keyring.go_on()


@contextmanager
def locked(keyring: PrivateKeyring, home: Home) -> Iterator[None]:
    keyring.lock()
    yield


@contextmanager
def absent(keyring: PrivateKeyring, home: Home) -> Iterator[None]:
    """The variable of a shell whose desktop is over."""
    home.environment["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=/nowhere/bus"
    yield


@contextmanager
def without_collection(keyring: PrivateKeyring, home: Home) -> Iterator[None]:
    home.environment["SHELLVAULT_SECRET_SERVICE_COLLECTION_NAME"] = "not made"
    yield


#: Each state, and what the one line says of it.
STATES: dict[str, tuple[Callable[[PrivateKeyring, Home], object], str]] = {
    "locked": (locked, "is locked: run `"),
    "frozen": (frozen, "has not answered in time"),
    "absent": (absent, "no D-Bus session bus answers"),
    "without a collection": (without_collection, "has no collection"),
}

#: Each command, and what it shows all the same.
COMMANDS = {
    "list": "guarded",
    "list --credentials": "work",
    "why work": "work",
    "exec work -- true": "",
    "env --shell bash work": "",
    "export work --format json": "",
    "clear": "",
    "remove --force work": "",
    "unlock": "",
}


#: A frozen keyring costs each command its deadline: three ways stand for all, unless the whole round is asked for.
SLOW = (
    COMMANDS
    if os.environ.get("SHELLVAULT_TESTS_ALL_STATES") == "1"
    else ("list", "exec work -- true", "clear")
)


@pytest.mark.parametrize("agent", ["alone", "agent"])
@pytest.mark.parametrize("state", STATES)
def test_no_command_hangs_and_each_says_what_is_wrong(
    keyring_person: Person, keyring: PrivateKeyring, state: str, agent: str
) -> None:
    home = keyring_person.home
    home.environment["SHELLVAULT_BACKEND"] = "secret-service"
    if agent == "agent":
        home.environment.pop("SHELLVAULT_NO_AGENT", None)
    make, said = STATES[state]
    with ExitStack() as stack:
        stack.enter_context(make(keyring, home))  # type: ignore[arg-type]
        for command in SLOW if state == "frozen" else COMMANDS:
            started = time.monotonic()
            done = home.shellvault(*command.split())
            assert time.monotonic() - started < PATIENCE, command
            assert done.returncode == 1, (command, done)
            assert said in done.stderr, (command, done.stderr)
            assert done.stderr.count("\n") == 1, (command, done.stderr)
            assert COMMANDS[command] in done.stdout, (command, done.stdout)
            assert "unlock it," not in done.stderr


@pytest.mark.parametrize("state", STATES)
def test_what_the_agent_holds_is_forgotten_in_every_state(
    keyring_person: Person, keyring: PrivateKeyring, state: str
) -> None:
    home = keyring_person.home
    home.environment["SHELLVAULT_BACKEND"] = "secret-service"
    home.environment.pop("SHELLVAULT_NO_AGENT", None)
    home.succeed("exec", "work", "--", "true")
    assert "work" in home.succeed("agent", "status")
    with ExitStack() as stack:
        stack.enter_context(STATES[state][0](keyring, home))  # type: ignore[arg-type]
        listed = home.shellvault("list")
        assert (listed.returncode, "agent" in listed.stdout) == (1, True)
        assert "the agent has forgotten" in home.shellvault("clear").stderr
        assert "no sessions" in home.succeed("agent", "status")


#: What may open the dialog of a keyring that is locked, where there is a display; all commands if asked for.
DIALOGS = ("list", "exec work -- true", "env --shell bash work", "clear", "signout --all")
if os.environ.get("SHELLVAULT_TESTS_ALL_STATES") == "1":
    DIALOGS += tuple(command for command in COMMANDS if command not in DIALOGS)


def locked_with_a_display(home: Home, keyring: PrivateKeyring, agent: str) -> dict[str, str]:
    """The environment of a desktop whose keyring is locked."""
    if agent == "agent":
        home.environment.pop("SHELLVAULT_NO_AGENT", None)
    keyring.lock()
    home.environment.update({"SHELLVAULT_BACKEND": "secret-service", "DISPLAY": ":99", "TERM": "xterm"})
    return home.environment


@pytest.mark.parametrize("agent", ["alone", "agent"])
@pytest.mark.parametrize("shows", ["a dialog", "none"])
def test_a_dismissed_dialog_ends_every_command(
    keyring_person: Person, keyring: PrivateKeyring, agent: str, shows: str
) -> None:
    home = keyring_person.home
    environment = locked_with_a_display(home, keyring, agent)
    with ExitStack() as stack:
        shown = (
            stack.enter_context(prompter(environment["DBUS_SESSION_BUS_ADDRESS"], dismisses=True))
            if shows == "a dialog"
            else None
        )
        for number, command in enumerate(DIALOGS, 1):
            started = time.monotonic()
            done = home.shellvault(*command.split())
            assert time.monotonic() - started < PATIENCE, command
            assert done.returncode == 1, (command, done)
            assert "is locked: answer its dialog, or choose another vault" in done.stderr
            assert done.stderr.count("\n") == 1, (command, done.stderr)
            assert shown is None or shown.shown == number, command


@pytest.mark.parametrize("agent", ["alone", "agent"])
def test_an_open_dialog_is_said_after_two_seconds(
    keyring_person: Person, keyring: PrivateKeyring, agent: str
) -> None:
    home = keyring_person.home
    environment = locked_with_a_display(home, keyring, agent)
    with prompter(environment["DBUS_SESSION_BUS_ADDRESS"], dismisses=False) as shown:
        # At once: each waits for two seconds.
        waiting = {
            command: pexpect.spawn(
                "sh",
                ["-c", f"shown=$(shellvault {command})"],
                env=environment,
                encoding="utf-8",
                dimensions=(24, 120),
            )
            for command in DIALOGS
        }
        for command, terminal in waiting.items():
            terminal.expect("answer its dialog", timeout=PATIENCE)
            assert terminal.isalive(), command
        assert shown.shown
        for command, terminal in waiting.items():
            terminal.sendintr()
            terminal.expect(pexpect.EOF, timeout=PATIENCE)
            terminal.close()
            assert terminal.exitstatus or terminal.signalstatus, command
