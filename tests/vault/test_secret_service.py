"""A real gnome-keyring: what works, and how fast each way of not working is an error."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from shellvault.errors import VaultError
from shellvault.vault import SessionLabel, StoredKeys, open_vault, probe
from tests.real_keyring import PrivateKeyring, private_keyring
from tests.vault.conftest import never_asked

pytestmark = pytest.mark.real

COMMAND = """
import os, sys
from shellvault.errors import VaultError
from shellvault.vault import open_vault
try:
    vault = open_vault(None, os.environ, None, deadline=float(sys.argv[1]))
    print(vault.backend_name, vault.stored_keys())
except VaultError as error:
    print("error:", error)
"""

PROMPTER = """
import sys, time
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import Proxy, open_dbus_connection
with open_dbus_connection(sys.argv[1]) as connection:
    Proxy(message_bus, connection).RequestName("org.gnome.keyring.SystemPrompter")
    print("ready", flush=True)
    time.sleep(60)
"""

#: Seconds for the interpreter to start and end on a busy machine, beyond the deadline under test.
START = 4.0


def command(environment: dict[str, str], deadline: float = 30.0) -> tuple[str, float]:
    """What a whole process that lists the vault says, and the seconds it takes from start to exit."""
    start = time.monotonic()
    result = subprocess.run(
        [sys.executable, "-c", COMMAND, str(deadline)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.stderr == ""
    assert result.stdout.count("\n") == 1
    return result.stdout.strip(), time.monotonic() - start


@pytest.fixture
def keyring(tmp_path: Path) -> Iterator[PrivateKeyring]:
    with private_keyring(tmp_path) as running:
        yield running


def test_keys_and_sessions_go_there_and_back(keyring: PrivateKeyring) -> None:
    vault = open_vault(None, keyring.environment, never_asked)
    assert vault.backend_name == "secret-service"
    vault.save_keys("wörk", "AKIAWORK", "secret/+=")
    session = {"access_key_id": "ASIA", "session_token": "t" * 5000}
    vault.save_session("f", SessionLabel("wörk", "get-session-token", None), session)
    again = open_vault(None, keyring.environment, never_asked)
    assert again.stored_keys() == {"wörk": "AKIAWORK"}
    assert again.load_keys("wörk") == StoredKeys("AKIAWORK", "secret/+=")
    assert again.load_session("f") == session
    assert again.clear_sessions() == 1
    again.remove_keys("wörk")
    assert vault.stored_keys() == {}
    assert vault.sessions() == []


def test_a_person_can_distinguish_the_items(keyring: PrivateKeyring) -> None:
    import secretstorage
    from jeepney.io.blocking import open_dbus_connection

    open_vault(None, keyring.environment, never_asked).save_keys("work", "AKIAWORK", "secret")
    with open_dbus_connection(keyring.environment["DBUS_SESSION_BUS_ADDRESS"]) as connection:
        items = secretstorage.get_collection_by_alias(connection, "default").get_all_items()
        labels = {item.get_label() for item in items}
    assert "Password for 'keys/work' on 'shellvault'" in labels


@pytest.mark.parametrize(
    "variable", ["SHELLVAULT_SECRET_SERVICE_COLLECTION_NAME", "AWS_VAULT_SECRET_SERVICE_COLLECTION_NAME"]
)
def test_a_named_collection_holds_the_keys_not_the_default_one(
    keyring: PrivateKeyring, variable: str
) -> None:
    keyring.make_collection("AWS keys")
    named = keyring.environment | {variable: "AWS keys"}
    open_vault(None, named, never_asked).save_keys("work", "AKIAWORK", "secret")
    assert command(named)[0] == "secret-service {'work': 'AKIAWORK'}"
    assert command(keyring.environment)[0] == "secret-service {}"
    [status] = [status for status in probe(named) if status.chosen]
    assert status.reason.endswith("its collection 'AWS keys' is unlocked")


def test_a_collection_goes_by_its_name_in_the_service_too(keyring: PrivateKeyring) -> None:
    open_vault(None, keyring.environment, never_asked).save_keys("work", "AKIAWORK", "secret")
    named = keyring.environment | {"SHELLVAULT_SECRET_SERVICE_COLLECTION_NAME": "login"}
    assert command(named)[0] == "secret-service {'work': 'AKIAWORK'}"


def test_a_locked_named_collection_fails_despite_an_open_default(
    keyring: PrivateKeyring,
) -> None:
    keyring.make_collection("aws")
    keyring.lock("aws")
    said, seconds = command(keyring.environment | {"SHELLVAULT_SECRET_SERVICE_COLLECTION_NAME": "aws"})
    assert said.startswith("error: the keyring (secret-service) is locked")
    assert seconds < START


def test_a_missing_collection_is_an_error_without_a_display(keyring: PrivateKeyring) -> None:
    named = keyring.environment | {
        "SHELLVAULT_SECRET_SERVICE_COLLECTION_NAME": "aws",
        "SHELLVAULT_BACKEND": "secret-service",
    }
    said, seconds = command(named)
    assert said.startswith("error: the keyring (secret-service) has no collection 'aws' yet: make it in")
    assert seconds < START


def test_it_is_found_and_chosen(keyring: PrivateKeyring) -> None:
    [status] = [status for status in probe(keyring.environment) if status.chosen]
    assert (status.name, status.usable) == ("secret-service", True)
    assert command(keyring.environment)[0] == "secret-service {}"


def test_the_bus_that_systemd_keeps_is_found_without_a_variable(
    keyring: PrivateKeyring, tmp_path: Path
) -> None:
    environment = dict(keyring.environment)
    del environment["DBUS_SESSION_BUS_ADDRESS"]
    Path(environment["XDG_RUNTIME_DIR"], "bus").symlink_to(tmp_path / "bus")
    assert command(environment)[0] == "secret-service {}"


def test_a_locked_keyring_without_a_display_is_an_error_at_once(keyring: PrivateKeyring) -> None:
    keyring.lock()
    said, seconds = command(keyring.environment)
    assert said.startswith("error: the keyring (secret-service) is locked")
    assert seconds < START
    [status] = [status for status in probe(keyring.environment) if status.chosen]
    assert (status.name, status.usable) == ("secret-service", False)
    assert "locked" in status.reason


@pytest.fixture
def unanswered_dialogs(keyring: PrivateKeyring) -> Iterator[None]:
    """The owner of the prompter's bus name shows the dialogs; this one never does."""
    prompter = subprocess.Popen(
        [sys.executable, "-c", PROMPTER, keyring.environment["DBUS_SESSION_BUS_ADDRESS"]],
        stdout=subprocess.PIPE,
        text=True,
    )
    with prompter:
        assert prompter.stdout and prompter.stdout.readline() == "ready\n"
        yield
        prompter.kill()


def test_an_unanswered_unlock_dialog_fails_at_the_deadline(
    keyring: PrivateKeyring, unanswered_dialogs: None
) -> None:
    keyring.lock()
    said, seconds = command({**keyring.environment, "DISPLAY": ":99"}, deadline=3)
    assert said.startswith("error: the keyring (secret-service) has not answered in time")
    assert 3 <= seconds < 3 + START


def test_without_a_display_no_dialog_is_waited_for(keyring: PrivateKeyring, unanswered_dialogs: None) -> None:
    keyring.lock()
    said, seconds = command(keyring.environment)
    assert said.startswith("error: the keyring (secret-service) is locked")
    assert seconds < START


def test_a_keyring_without_a_login_is_not_chosen(tmp_path: Path) -> None:
    with private_keyring(tmp_path, unlocked=False) as keyring:
        said, seconds = command(keyring.environment)
        assert said == "file {}"
        assert seconds < START
        said, seconds = command({**keyring.environment, "SHELLVAULT_BACKEND": "secret-service"})
        assert said.startswith("error: the keyring (secret-service) has no default collection yet")
        assert seconds < START


@pytest.mark.parametrize(
    ("display", "deadline", "most"), [({}, 1, 1), ({"DISPLAY": ":99"}, 30, 5)], ids=["headless", "display"]
)
def test_a_stopped_keyring_is_an_error_within_its_deadline(
    keyring: PrivateKeyring, display: dict[str, str], deadline: float, most: float
) -> None:
    keyring.stop()
    environment = {**keyring.environment, **display, "SHELLVAULT_BACKEND": "secret-service"}
    said, seconds = command(environment, deadline)
    assert said.startswith("error: the keyring (secret-service) has not answered in time")
    assert seconds < most + START
    keyring.go_on()
    assert command(environment)[0] == "secret-service {}"


def test_a_stopped_keyring_is_not_passed_over_by_probing(keyring: PrivateKeyring) -> None:
    keyring.stop()
    said, seconds = command(keyring.environment, deadline=1)
    assert said.startswith("error: the keyring (secret-service) has not answered in time")
    assert seconds < 2 + 1 + START


@pytest.mark.parametrize(
    ("address", "message"),
    [
        (None, "DBUS_SESSION_BUS_ADDRESS is not set"),
        ("unix:path=/nonexistent/bus", "no D-Bus session bus answers"),
        ("tcp:host=localhost,port=1", "no D-Bus session bus answers"),
        ("nonsense", "no D-Bus session bus answers"),
    ],
)
def test_without_a_bus_it_is_an_error_at_once(tmp_path: Path, address: str | None, message: str) -> None:
    environment = {"HOME": str(tmp_path), "SHELLVAULT_BACKEND": "secret-service"}
    if address:
        environment["DBUS_SESSION_BUS_ADDRESS"] = address
    said, seconds = command(environment)
    assert said.startswith("error:")
    assert message in said
    assert seconds < START


def test_a_bus_without_a_keyring_leaves_the_encrypted_file(keyring: PrivateKeyring) -> None:
    keyring.daemon.kill()
    keyring.daemon.wait()
    assert command(keyring.environment)[0] == "file {}"
    said, _ = command({**keyring.environment, "SHELLVAULT_BACKEND": "secret-service"})
    assert said.startswith("error: the keyring (secret-service) cannot be used")


def test_the_keyring_that_dies_between_calls_is_an_error(keyring: PrivateKeyring) -> None:
    vault = open_vault(None, keyring.environment, never_asked)
    vault.save_keys("work", "AKIAWORK", "secret")
    keyring.daemon.kill()
    keyring.daemon.wait()
    said, seconds = command(keyring.environment)
    assert said.startswith("error: the keyring (secret-service)")
    assert seconds < START


def test_a_locked_keyring_says_how_it_is_unlocked_over_ssh(tmp_path: Path) -> None:
    with private_keyring(tmp_path) as keyring:
        environment = keyring.environment | {"GNOME_KEYRING_CONTROL": f"{tmp_path}/runtime/keyring"}
        open_vault("secret-service", environment, never_asked).save_keys("work", "AKIAWORK", "secret")
        keyring.lock()
        with pytest.raises(VaultError, match="is locked: run `") as error:
            open_vault("secret-service", environment, never_asked).stored_keys()
        command = str(error.value).split("`")[1]
        subprocess.run(
            ["bash", "-c", command], input="keyring password\n", text=True, env=environment, timeout=20
        )
        try:
            deadline = time.monotonic() + 10
            while not _is_open(environment):
                assert time.monotonic() < deadline
                time.sleep(0.1)
        finally:
            _end_daemons(environment)


def _is_open(environment: dict[str, str]) -> bool:
    try:
        return open_vault("secret-service", environment, never_asked).stored_keys() == {"work": "AKIAWORK"}
    except VaultError:
        return False


def _end_daemons(environment: dict[str, str]) -> None:
    """Ends the daemon that has taken the place of the test's own, by the home that it serves."""
    for process in psutil.process_iter(["cmdline"]):
        try:
            is_daemon = (process.info["cmdline"] or [""])[0] == "gnome-keyring-daemon"
            if is_daemon and process.environ().get("HOME") == environment["HOME"]:
                process.kill()
        except psutil.Error:
            continue
