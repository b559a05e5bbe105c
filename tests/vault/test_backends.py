"""Which backend is the vault."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shellvault import locations
from shellvault.errors import ConfigError, VaultError
from shellvault.vault import BACKENDS, open_vault, probe
from shellvault.vault.backends import choose
from tests.real_keyring import need_programs, private_keyring, running, wait_for_owner
from tests.vault.conftest import never_asked


@pytest.fixture
def silent_bus(tmp_path: Path) -> Iterator[str]:
    """The address of a bus that accepts and never answers."""
    with socket.socket(socket.AF_UNIX) as bus:
        bus.bind(str(tmp_path / "bus"))
        bus.listen()
        yield f"unix:path={tmp_path / 'bus'}"


def write_settings(environment: dict[str, str], text: str) -> Path:
    path = locations.config_file(environment)
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_bus_the_file_is_chosen_and_others_say_why_not(
    environment: dict[str, str],
) -> None:
    found = {status.name: status for status in probe(environment)}
    assert set(found) == set(BACKENDS)
    assert [status.name for status in found.values() if status.chosen] == ["file"]
    assert found["file"].usable
    assert "DBUS_SESSION_BUS_ADDRESS" in found["secret-service"].reason
    assert found["keychain"].reason == "only on macOS"
    assert found["wincred"].reason == "only on Windows"
    assert open_vault(None, environment, never_asked).backend_name == "file"


def test_probing_makes_no_vault(environment: dict[str, str]) -> None:
    probe(environment)
    assert not locations.data_directory(environment).exists()


def test_the_flag_wins_then_the_variables_then_the_settings(environment: dict[str, str]) -> None:
    write_settings(environment, 'backend = "kwallet"')
    environment["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=/nonexistent"

    def chosen() -> list[str]:
        return [status.name for status in probe(environment) if status.chosen]

    assert chosen() == ["kwallet"]
    environment["AWS_VAULT_BACKEND"] = "secret-service"
    assert chosen() == ["secret-service"]
    environment["SHELLVAULT_BACKEND"] = "keychain"
    assert chosen() == ["keychain"]
    assert open_vault("file", environment, never_asked).backend_name == "file"


@pytest.mark.real
def test_silent_keyrings_are_probed_in_parallel_and_only_once(
    tmp_path: Path,
) -> None:
    need_programs("kwalletd5")
    with private_keyring(tmp_path) as keyring:
        environment = keyring.environment
        with running(["kwalletd5"], environment | {"QT_QPA_PLATFORM": "offscreen"}) as wallet:
            wait_for_owner(environment, "org.kde.kwalletd5")
            open_vault(None, environment, never_asked).save_keys("work", "AKIAWORK", "secret")
            keyring.stop()
            wallet.send_signal(signal.SIGSTOP)
            start = time.monotonic()
            assert choose(None, environment) == ("secret-service", "the keys that it holds", False)
            assert time.monotonic() - start < 0.5
            start = time.monotonic()
            found = {status.name: status for status in probe(environment)}
            assert time.monotonic() - start < 2 + 2
    assert list(found) == list(BACKENDS)
    for name in ("secret-service", "kwallet"):
        assert found[name].reason.endswith("it has not answered within 1.5 seconds")
    assert [name for name, status in found.items() if status.chosen] == ["secret-service"]


def test_an_unusable_file_folder_never_selects_a_volatile_vault(environment: dict[str, str]) -> None:
    environment["SHELLVAULT_FILE_DIR"] = "no/absolute/path"
    assert choose(None, environment).backend == "file"


def test_what_chose_the_backend_is_shown(environment: dict[str, str]) -> None:
    environment["SHELLVAULT_BACKEND"] = "file"
    [reason] = [status.reason for status in probe(environment) if status.chosen]
    assert reason.startswith("chosen by SHELLVAULT_BACKEND; ")


@pytest.mark.parametrize("variable", ["SHELLVAULT_BACKEND", "AWS_VAULT_BACKEND"])
def test_an_unknown_backend_is_an_error_with_its_source(environment: dict[str, str], variable: str) -> None:
    environment[variable] = "pass\n"
    with pytest.raises(ConfigError, match=rf"{variable}: .*'pass\\n'.*file.*secret-service") as error:
        open_vault(None, environment, never_asked)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('backend = "file"\nproduction = ["a,b"]', "production must be patterns"),
        ('production = "live-*"', "production must be patterns"),
        ('production = ["live", 3]', "production must be patterns"),
        ('production = ["a\\u0000b"]', "production must be patterns"),
        ("backend = 3", "must be text"),
        ('backend = "vault"', "unknown vault 'vault'"),
        ("backend = ", "is not TOML"),
    ],
)
def test_wrong_settings_are_an_error_with_the_file(
    environment: dict[str, str], text: str, message: str
) -> None:
    path = write_settings(environment, text)
    with pytest.raises(ConfigError, match=message) as error:
        open_vault(None, environment, never_asked)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("backend", ["keychain", "wincred", "kwallet", "secret-service"])
def test_a_backend_that_is_not_here_is_one_clear_error(environment: dict[str, str], backend: str) -> None:
    with pytest.raises(VaultError, match="choose another with --backend") as error:
        open_vault(backend, environment, never_asked)
    assert "\n" not in str(error.value)


def test_the_vault_with_keys_stays_chosen_until_it_is_empty(
    environment: dict[str, str], cheap: None, silent_bus: str
) -> None:
    open_vault(None, environment, never_asked).save_keys("work", "AKIAWORK", "secret")
    environment["DBUS_SESSION_BUS_ADDRESS"] = silent_bus
    [status] = [status for status in probe(environment) if status.chosen]
    assert (status.name, status.reason.split(";")[0]) == ("file", "chosen by the keys that it holds")
    open_vault(None, environment, never_asked).remove_keys("work")
    assert open_vault(None, environment, never_asked).backend_name == "secret-service"


def test_a_backend_that_was_named_once_does_not_become_the_vault(
    environment: dict[str, str], cheap: None
) -> None:
    open_vault("file", environment, never_asked).save_keys("work", "AKIAWORK", "secret")
    assert not (locations.state_directory(environment) / "backend").exists()


def imported(script: str, home: str, *modules: str) -> set[str]:
    """Those of `modules` that `script` imports in a process of its own; it gets the home as its argument."""
    script = f"import sys\n{script}\nprint(*({set(modules)!r} & sys.modules.keys()))"
    result = subprocess.run([sys.executable, "-c", script, home], capture_output=True, text=True, timeout=20)
    assert result.stderr == ""
    return set(result.stdout.split())


def test_choosing_the_file_imports_no_keyring(environment: dict[str, str]) -> None:
    script = "from shellvault.vault import backends; backends.choose(None, {'HOME': sys.argv[1]})"
    assert not imported(script, environment["HOME"], "keyring", "secretstorage", "filelock", "cryptography")


def test_opening_the_file_imports_no_other_backend(environment: dict[str, str]) -> None:
    script = (
        "from shellvault.vault import open_vault; open_vault(None, {'HOME': sys.argv[1]}, None).stored_keys()"
    )
    others = (
        "secretstorage",
        "jeepney",
        "keyring.backends.SecretService",
        "keyring.backends.chainer",
        "boto3",
    )
    assert not imported(script, environment["HOME"], *others)
    assert imported(script, environment["HOME"], "keyring.backend", "boto3") == {"keyring.backend"}


def test_keyrings_own_choice_does_not_matter(environment: dict[str, str]) -> None:
    script = (
        "import sys; from shellvault.vault import open_vault;"
        "print(open_vault('file', {'HOME': sys.argv[1]}, None).stored_keys())"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, environment["HOME"]],
        env={"PYTHON_KEYRING_BACKEND": "no.such.Backend", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert (result.stdout, result.stderr) == ("{}\n", "")


def test_a_keyring_that_does_not_answer_is_not_passed_over(
    environment: dict[str, str], silent_bus: str
) -> None:
    environment["DBUS_SESSION_BUS_ADDRESS"] = silent_bus
    start = time.monotonic()
    [status] = [status for status in probe(environment) if status.chosen]
    assert time.monotonic() - start < 2 + 2
    assert (status.name, status.usable) == ("secret-service", False)
    assert "has not answered" in status.reason
