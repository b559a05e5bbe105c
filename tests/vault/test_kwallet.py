"""A real KWallet: what works, and how fast each way of not working is an error."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from shellvault.vault import StoredKeys, open_vault, probe
from shellvault.vault.backends import BackendStatus
from tests.real_wallet import WALLET, PrivateWallet, private_wallet
from tests.vault.conftest import never_asked
from tests.vault.test_secret_service import START, command

pytestmark = pytest.mark.real


@pytest.fixture
def wallet(tmp_path: Path) -> Iterator[PrivateWallet]:
    with private_wallet(tmp_path) as running:
        running.environment["SHELLVAULT_BACKEND"] = "kwallet"
        yield running


def status_of(environment: dict[str, str]) -> BackendStatus:
    return next(status for status in probe(environment) if status.name == "kwallet")


def test_keys_are_stored_where_the_keyring_library_puts_them(wallet: PrivateWallet) -> None:
    vault = open_vault(None, wallet.environment, never_asked)
    vault.save_keys("wörk", "AKIAWORK", "secret/+=")
    assert open_vault(None, wallet.environment, never_asked).load_keys("wörk") == StoredKeys(
        "AKIAWORK", "secret/+="
    )
    handle = wallet.call("open", "sxs", WALLET, 0, "test")
    entries = wallet.call("entryList", "iss", handle, "shellvault", "test")
    assert sorted(entries) == ["index/keys", "index/sessions", "keys/wörk"]


def test_what_was_stored_is_on_the_disk_before_the_command_ends(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    with private_wallet(tmp_path / "first") as wallet:
        open_vault("kwallet", wallet.environment, never_asked).save_keys("work", "AKIAWORK", "secret")
        wallet.daemon.kill()
        wallet.daemon.wait()
        kept = Path(wallet.environment["HOME"]) / ".local" / "share" / "kwalletd"
        (tmp_path / "second").mkdir()
        with private_wallet(tmp_path / "second", opened=False) as again:
            shutil.copytree(
                kept, Path(again.environment["HOME"]) / ".local/share/kwalletd", dirs_exist_ok=True
            )
            again.open()
            assert open_vault("kwallet", again.environment, never_asked).load_keys("work") == StoredKeys(
                "AKIAWORK", "secret"
            )


@pytest.mark.parametrize("display", [{}, {"DISPLAY": ":99"}], ids=["headless", "display"])
def test_kwallet_is_chosen_over_its_own_secret_service(
    wallet: PrivateWallet, display: dict[str, str]
) -> None:
    del wallet.environment["SHELLVAULT_BACKEND"]
    environment = wallet.environment | display
    found = {status.name: status for status in probe(environment)}
    assert found["secret-service"].reason == "KWallet provides it: use kwallet"
    assert (found["kwallet"].chosen, found["kwallet"].usable) == (True, True)
    assert found["kwallet"].reason == f"its wallet {WALLET} is open"
    assert command(environment)[0] == "kwallet {}"


def test_a_closed_wallet_without_a_display_is_an_error_at_once(wallet: PrivateWallet) -> None:
    wallet.lock()
    said, seconds = command(wallet.environment)
    assert said.startswith("error: the keyring (kwallet) is locked")
    assert seconds < START
    status = status_of(wallet.environment)
    assert not status.usable
    assert status.reason.endswith(f"its wallet {WALLET} is closed and there is no display to ask on")


def test_an_unanswered_wallet_dialog_fails_at_the_deadline(
    wallet: PrivateWallet,
) -> None:
    wallet.lock()
    said, seconds = command({**wallet.environment, "DISPLAY": ":99"}, deadline=3)
    assert said.startswith("error: the keyring (kwallet) has not answered in time")
    assert 3 <= seconds < 3 + START


def test_a_wallet_closed_meanwhile_fails_and_works_once_reopened(
    wallet: PrivateWallet,
) -> None:
    vault = open_vault(None, wallet.environment, never_asked)
    vault.save_keys("work", "AKIAWORK", "secret")
    wallet.lock()
    with pytest.raises(Exception, match=r"the keyring \(kwallet\) is locked"):
        vault.load_keys("work")
    wallet.open()
    assert vault.load_keys("work") == StoredKeys("AKIAWORK", "secret")


def test_without_a_display_no_dialog_makes_a_first_wallet(tmp_path: Path) -> None:
    with private_wallet(tmp_path, opened=False) as wallet:
        said, seconds = command(wallet.environment)
        assert said == "file {}"
        assert seconds < START
        assert status_of(wallet.environment).reason == (
            f"it has no wallet {WALLET} yet and there is no display to ask on"
        )


def test_a_stopped_wallet_fails_in_time_and_is_not_skipped(
    wallet: PrivateWallet,
) -> None:
    wallet.stop()
    said, seconds = command(wallet.environment, deadline=1)
    assert said.startswith("error: the keyring (kwallet) has not answered in time")
    assert seconds < 1 + START
    assert "has not answered" in status_of(wallet.environment).reason
    wallet.go_on()
    assert command(wallet.environment)[0] == "kwallet {}"


def test_a_dead_wallet_fails_and_is_used_again_once_it_is_back(
    wallet: PrivateWallet,
) -> None:
    vault = open_vault(None, wallet.environment, never_asked)
    vault.save_keys("work", "AKIAWORK", "secret")
    wallet.daemon.kill()
    wallet.daemon.wait()
    with pytest.raises(Exception, match=r"the keyring \(kwallet\)") as error:
        vault.load_keys("work")
    assert "\n" not in str(error.value)
    said, seconds = command(wallet.environment)
    assert said == "error: no KWallet runs on the session bus: choose another vault with --backend"
    assert seconds < START


def test_a_wallet_that_is_switched_off_is_not_used(tmp_path: Path) -> None:
    settings = tmp_path / "home" / ".config" / "kwalletrc"
    with private_wallet(tmp_path) as wallet:
        settings.parent.mkdir(exist_ok=True)
        settings.write_text("[Wallet]\nEnabled=false\n")
        wallet.call("reconfigure", "")
        wallet.daemon.wait(10)
        assert status_of(wallet.environment).reason == "no KWallet runs on the session bus"
        assert command(wallet.environment)[0] == "file {}"
