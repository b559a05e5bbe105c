"""`pass` with a real gpg: its key locked, its agent killed, its agent silent."""

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from shellvault.errors import VaultError
from shellvault.vault import StoredKeys, open_vault, password_store
from shellvault.vault.vault import Vault
from tests.real_password_store import password_store as real_store
from tests.vault.conftest import never_asked

pytestmark = pytest.mark.real

KEYS = StoredKeys("AKIAWORK", "secret")


def opened(environment: dict[str, str]) -> Vault:
    return open_vault("pass", environment, never_asked)


def of_gpg(environment: dict[str, str], name: str) -> list[psutil.Process]:
    """The processes of this name that work for this store."""
    found = []
    for process in psutil.process_iter(["name"]):
        try:
            if (
                process.info["name"] == name
                and process.environ().get("GNUPGHOME") == environment["GNUPGHOME"]
            ):
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}


def test_a_key_that_stays_locked_is_one_line_at_once(environment: dict[str, str], tmp_path: Path) -> None:
    with real_store(environment, tmp_path, passphrase="open sesame") as there:
        opened(there).save_keys("work", KEYS.access_key_id, KEYS.secret_access_key)
        for agent in of_gpg(there, "gpg-agent"):
            agent.kill()
            agent.wait(10)
        started = time.monotonic()
        with pytest.raises(VaultError, match="unlock its key") as error:
            opened(there).load_keys("work")
        assert time.monotonic() - started < 10
        assert "\n" not in str(error.value)


def test_an_agent_that_is_killed_is_started_again(environment: dict[str, str], tmp_path: Path) -> None:
    with real_store(environment, tmp_path) as there:
        opened(there).save_keys("work", KEYS.access_key_id, KEYS.secret_access_key)
        for agent in of_gpg(there, "gpg-agent"):
            agent.kill()
            agent.wait(10)
        assert opened(there).load_keys("work") == KEYS


def test_a_silent_gpg_agent_fails_at_the_deadline_for_good(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with real_store(environment, tmp_path) as there:
        opened(there).save_keys("work", KEYS.access_key_id, KEYS.secret_access_key)
        [agent] = of_gpg(there, "gpg-agent")
        monkeypatch.setattr(password_store, "SECONDS", 2.0)
        agent.send_signal(signal.SIGSTOP)
        started = time.monotonic()
        try:
            with pytest.raises(VaultError, match="pass has not answered within 2 s"):
                opened(there).load_keys("work")
            assert 2 <= time.monotonic() - started < 8
            assert of_gpg(there, "gpg") == []
        finally:
            agent.send_signal(signal.SIGCONT)
        monkeypatch.undo()
        assert opened(there).load_keys("work") == KEYS
